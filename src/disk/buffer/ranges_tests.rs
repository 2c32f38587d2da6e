//! `Ranges` beside an array of blocks.

use proptest::prelude::*;

use super::{Ranges, Run};

proptest! {
    #[test]
    fn ranges_equal_an_array(ops in prop::collection::vec((0u64..60, 1u64..12, any::<bool>()), 1..40)) {
        let mut ranges = Ranges::default();
        let mut model: Vec<Option<Option<u32>>> = vec![None; 80];
        let mut slot = 0;
        for (start, blocks, hole) in ops {
            let run = Run { blocks, slot: (!hole).then_some(slot) };
            ranges.insert(start, run);
            for i in 0..blocks {
                model[(start + i) as usize] = Some((!hole).then_some(slot + i as u32));
            }
            slot += blocks as u32;
        }
        let mut seen: Vec<Option<Option<u32>>> = vec![None; 80];
        let mut next = 3;
        let order = std::cell::RefCell::new(&mut next);
        ranges.walk(
            3,
            75,
            |start, run| {
                let mut next = order.borrow_mut();
                assert_eq!(**next, start);
                for i in 0..run.blocks {
                    seen[(start + i) as usize] = Some(run.slot.map(|slot| slot + i as u32));
                }
                **next = start + run.blocks;
            },
            |start, end| {
                let mut next = order.borrow_mut();
                assert_eq!(**next, start);
                **next = end;
            },
        );
        assert_eq!(next, 75);
        prop_assert_eq!(&seen[3..75], &model[3..75]);
        prop_assert_eq!(ranges.holes(), ranges.iter().filter(|(_, run)| run.slot.is_none()).count());
        for block in 0..80 {
            prop_assert_eq!(ranges.get(block).map(|run| run.slot), model[block as usize]);
            prop_assert_eq!(ranges.overlaps(block, block + 1), model[block as usize].is_some());
        }
    }
}
