//! `logrbd du` and `logrbd ls`: what they count is exact.

use std::collections::BTreeSet;

use crate::place::Place;

const SIZE: u64 = (8 << 20) + 1000;

#[test]
fn used_bytes_are_exact_for_each_snapshot() {
    let place = Place::new();
    let client = place.client();
    client.create("a", SIZE);
    client.create("empty", 1 << 40);
    let image = client.open("a");
    let mut random = 1u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) % below
    };
    let mut expected = Vec::new();
    // What has data, and what was written or zeroed since the last snapshot.
    let (mut mapped, mut changed) = (BTreeSet::new(), BTreeSet::new());
    let whole = SIZE / 4096;
    for state in 0..4 {
        for _ in 0..200 {
            let first = next(whole - 8);
            let count = 1 + next(8);
            let touched = first..first + count;
            if next(4) == 0 {
                client.session.wait(image.write_zeroes(first * 4096, count * 4096)).unwrap();
                mapped.retain(|block| !touched.contains(block));
            } else {
                client.write(&image, first * 4096, &vec![state as u8 + 1; (count * 4096) as usize]);
                mapped.extend(touched.clone());
            }
            changed.extend(touched);
        }
        // The block that the end of the image cuts counts with the bytes that it has.
        if state == 1 {
            client.write(&image, whole * 4096, &[7; 1000]);
            mapped.insert(whole);
            changed.insert(whole);
        }
        let used = changed.intersection(&mapped).map(|block| (SIZE - block * 4096).min(4096)).sum::<u64>();
        expected.push(used);
        if state < 3 {
            client.session.wait(image.snap_create(&format!("s{state}"))).unwrap();
            changed.clear();
        }
    }
    client.close(image);
    drop(client);

    let (code, json) = place.json(&["du", "a"]);
    assert_eq!(code, 0);
    let rows = json["images"].as_array().unwrap();
    let used: Vec<u64> = rows.iter().map(|row| row["used_size"].as_u64().unwrap()).collect();
    assert_eq!(used, expected);
    assert_eq!(rows[0]["snapshot"], "s0");
    assert!(rows.iter().all(|row| row["provisioned_size"] == SIZE));
    assert_eq!(json["total_used_size"], expected.iter().sum::<u64>());
    assert!(rows[3]["log_size"].as_u64().unwrap() >= rows[3]["live_log_size"].as_u64().unwrap());

    let (code, out, _) = place.run(&["du"]);
    assert_eq!(code, 0);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 1 + 4 + 1, "{out}");
    assert!(lines[1].starts_with("a@s0"), "{out}");
    assert!(
        lines[5].starts_with("empty") && lines[5].contains("1 TiB") && lines[5].contains(" 0 B"),
        "{out}"
    );

    let (code, json) = place.json(&["ls"]);
    assert_eq!((code, json), (0, serde_json::json!(["a", "empty"])));
}
