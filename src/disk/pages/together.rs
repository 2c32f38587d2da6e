//! Runs several futures within one task.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

/// Runs the futures, at most `at_once` of them at a time. The first error ends it; results come in no order.
pub(crate) async fn all<T, E, F>(futures: impl IntoIterator<Item = F>, at_once: usize) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut waiting = futures.into_iter();
    let mut running: Vec<Pin<Box<F>>> = Vec::new();
    let mut results = Vec::new();
    std::future::poll_fn(move |context| {
        loop {
            let mut moved = false;
            while running.len() < at_once
                && let Some(future) = waiting.next()
            {
                running.push(Box::pin(future));
                moved = true;
            }
            let mut at = 0;
            while at < running.len() {
                match running[at].as_mut().poll(context) {
                    Poll::Ready(Ok(result)) => {
                        results.push(result);
                        drop(running.swap_remove(at));
                        moved = true;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => at += 1,
                }
            }
            if running.is_empty() && !moved {
                return Poll::Ready(Ok(std::mem::take(&mut results)));
            }
            if !moved {
                return Poll::Pending;
            }
        }
    })
    .await
}
