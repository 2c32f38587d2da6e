//! `logrbd check`: exit codes, what is named, what is repaired.

use bytes::Bytes;
use logrbd::store::Op;

use crate::place::{Place, data_files, flip_where, outcome, tool};

const SIZE: u64 = 8 << 20;

/// Two images with some data, and a snapshot of the first.
fn filled() -> Place {
    let place = Place::new();
    let client = place.client();
    for name in ["a", "b"] {
        client.create(name, SIZE);
        let image = client.open(name);
        for block in 0..600u64 {
            client.write(&image, block * 3 % (SIZE / 4096) * 4096, &stamp(block));
        }
        if name == "a" {
            client.session.wait(image.snap_create("s")).unwrap();
            client.write(&image, 0, &stamp(1000));
        }
        client.close(image);
    }
    drop(client);
    place
}

/// A block that is found nowhere else.
fn stamp(number: u64) -> Vec<u8> {
    let word = format!("stamp {number:08}: ");
    word.bytes().cycle().take(4096).collect()
}

#[test]
fn sound_images_are_clean() {
    let place = filled();
    let (code, out, errors) = place.run(&["check", "a"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    assert!(out.contains("rbd/a: clean"), "{out}");
    let (code, out, _) = place.run(&["check", "--all", "--quiet"]);
    assert_eq!((code, out.as_str()), (0, ""));
    let (code, json) = place.json(&["check", "rbd/a"]);
    assert_eq!((code, json["exit_code"].as_u64()), (0, Some(0)));
    let image = &json["images"][0];
    assert_eq!(image["snapshots"], 1);
    assert_eq!(image["size_bytes"], SIZE);
    assert_eq!(image["used_bytes"], 600 * 4096);
    // Each of the two maps names 600.
    assert_eq!(image["blocks_checked"], 1200);
}

#[test]
fn a_damaged_block_is_named_and_nothing_is_invented() {
    let place = filled();
    let client = place.client();
    let before = client.blocks("a", SIZE);
    drop(client);
    let hit = data_files(&place.store()).iter().filter(|file| flip_where(file, &stamp(77))).count();
    assert_eq!(hit, 2, "one in each image");

    let client = place.client();
    let damaged = client.blocks("a", SIZE);
    drop(client);
    let unreadable: Vec<u64> = (0..SIZE / 4096).filter(|&block| damaged[block as usize].is_none()).collect();
    // The store's own checksums are for 4096 bytes, so a neighbour's slot may be in the same ones.
    assert!(unreadable.contains(&(77 * 3)) && unreadable.len() <= 2, "{unreadable:?}");
    let (code, json) = place.json(&["check", "a"]);
    assert_eq!(code, 4, "{json}");
    let mut named = Vec::new();
    for finding in json["images"][0]["findings"].as_array().unwrap() {
        let Some(lost) = finding["lost"].as_object() else { continue };
        assert_eq!((&finding["kind"], &finding["damage"]), (&"block".into(), &"lost".into()));
        assert_eq!(lost["of"].as_array().unwrap().len(), 2, "the image and its snapshot: {json}");
        let first = lost["offset"].as_u64().unwrap() / 4096;
        named.extend(first..first + lost["length"].as_u64().unwrap() / 4096);
    }
    named.sort_unstable();
    assert_eq!(named, unreadable);

    let (code, out, errors) = place.run(&["check", "a", "--repair"]);
    assert_eq!(code, 4, "{out}{errors}");
    let client = place.client();
    assert!(
        client.blocks("a", SIZE) == damaged,
        "a repair may not change what can be read, nor make up what cannot"
    );
    for (block, (before, after)) in before.iter().zip(&damaged).enumerate() {
        assert!(after.is_none() || before == after, "block {block}");
    }
    // Written again, and the snapshot that still needs the old blocks removed: nothing is lost any more.
    let image = client.open("a");
    for &block in &unreadable {
        client.write(&image, block * 4096, &stamp(2000 + block));
    }
    client.session.wait(image.snap_remove("s", false)).unwrap();
    client.close(image);
    drop(client);
    let (_, json) = place.json(&["check", "a"]);
    let findings = json["images"][0]["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["damage"] != "lost"), "{json}");
}

#[test]
fn an_orphan_is_space_and_is_removed_by_repair() {
    let place = filled();
    let client = place.client();
    let id = client.session.wait(logrbd::image::resolve(&client.pool, "a")).unwrap().unwrap();
    let orphan = format!("lsvd_map.{id}.0000000000000001");
    let content = Op::WriteFull { data: Bytes::from_static(b"left over") };
    client.session.wait(client.pool.run_creating(&orphan, vec![content])).unwrap();
    drop(client);

    let (code, out, _) = place.run(&["check", "a"]);
    assert_eq!(code, 2, "{out}");
    assert!(out.contains(&orphan), "{out}");
    let (code, out, _) = place.run(&["check", "a", "--repair", "--dry-run"]);
    assert_eq!(code, 2, "{out}");
    assert!(out.contains("would be repaired"), "{out}");
    let (code, out, errors) = place.run(&["check", "a", "--repair"]);
    assert_eq!(code, 1, "{out}{errors}");
    assert!(out.contains("(repaired)") && out.contains("clean now"), "{out}");
    let (code, out, _) = place.run(&["check", "a"]);
    assert_eq!(code, 0, "{out}");
    let client = place.client();
    assert!(!client.session.wait(client.pool.exists(&orphan)).unwrap());
}

#[test]
fn an_image_in_use_is_not_repaired() {
    let place = filled();
    let client = place.client();
    let id = client.session.wait(logrbd::image::resolve(&client.pool, "a")).unwrap().unwrap();
    let orphan = format!("lsvd_map.{id}.0000000000000001");
    let content = Op::WriteFull { data: Bytes::from_static(b"left over") };
    client.session.wait(client.pool.run_creating(&orphan, vec![content])).unwrap();
    let image = client.open("a");
    let (code, out, errors) = place.run(&["check", "a", "--repair"]);
    assert_eq!(code, 8, "{out}");
    assert!(errors.contains("open elsewhere") && errors.contains("EBUSY"), "{errors}");
    assert!(client.session.wait(client.pool.exists(&orphan)).unwrap());
    client.close(image);
}

#[test]
fn names_that_lead_nowhere_are_told() {
    let place = filled();
    let client = place.client();
    client.session.wait(client.pool.omap_set("lsvd_directory", "name_ghost", "0123456789abc")).unwrap();
    drop(client);
    let (code, out, _) = place.run(&["check", "--all"]);
    assert_eq!(code & 4, 4, "{out}");
    assert!(out.contains("ghost"), "{out}");
}

#[test]
fn what_cannot_be_done_is_said_and_has_its_code() {
    let place = filled();
    for args in [&["check", "none"][..], &["check", "nopool/a"], &["check", "rbd/nospace/a"], &["du", "none"]]
    {
        let (code, out, errors) = place.run(args);
        assert_eq!((code, out.as_str()), (8, ""), "{args:?}: {errors}");
        let named = errors.contains("ENOENT") || errors.contains("no such");
        assert!(errors.contains("logrbd: ") && named, "{args:?}: {errors}");
    }
    for args in [&["check"][..], &["check", "--all", "a"], &["check", "a", "--dry-run"], &["mend"], &[]] {
        let (code, out, errors) = outcome(tool().args(args));
        assert_eq!((code, out.as_str()), (16, ""), "{args:?}");
        assert!(errors.contains("Usage"), "{args:?}: {errors}");
    }
    for args in [&["--help"][..], &["check", "--help"], &["--version"]] {
        let (code, out, _) = outcome(tool().args(args));
        assert!(code == 0 && !out.is_empty(), "{args:?}");
    }
}
