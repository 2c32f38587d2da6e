//! Child processes: the test binary runs itself, and `LOGRBD_CHILD` says what for.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A child; killed and reaped when dropped.
pub struct Process {
    child: Child,
    pub lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts `role` with `arguments` in another process. It says what it has to say as lines that begin with `@`.
    pub fn start(role: &str, store: &Path, arguments: &[u64]) -> Process {
        let arguments: Vec<String> = arguments.iter().map(u64::to_string).collect();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child::entry", "--nocapture", "--test-threads=1"])
            .env("LOGRBD_CHILD", role)
            .env("LOGRBD_CHILD_STORE", store)
            .env("LOGRBD_CHILD_ARGUMENTS", arguments.join(" "))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Process { child, lines }
    }

    /// The next line that it says; `None` at its end.
    pub fn line(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next()?.unwrap();
            // The harness may have begun the line.
            if let Some(at) = line.find('@') {
                return Some(line[at + 1..].to_owned());
            }
        }
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn wait(mut self) {
        drop(self.child.stdin.take());
        while self.line().is_some() {}
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn say(line: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "@{line}").unwrap();
    out.flush().unwrap();
}

/// Not a test of its own: what a child runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entry() {
    let Ok(role) = std::env::var("LOGRBD_CHILD") else { return };
    let store = std::path::PathBuf::from(std::env::var_os("LOGRBD_CHILD_STORE").unwrap());
    let arguments = std::env::var("LOGRBD_CHILD_ARGUMENTS").unwrap();
    let arguments: Vec<u64> = arguments.split_whitespace().map(|word| word.parse().unwrap()).collect();
    match role.as_str() {
        "kill" => crate::kill::child(&store, &arguments).await,
        "count" => crate::processes::count(&store, &arguments).await,
        "watch" => crate::processes::watch(&store).await,
        role => panic!("{role}"),
    }
}
