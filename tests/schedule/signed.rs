//! Signed tags: `beamshare tag` on the C soft IOC, and the Python function of docs/signed-tags.md.

use crate::tag::{NAMES, RECORDS, folder, garcia, program, read, run, service};
use beamshare::domain::{Field, TagKeys, UserInfo};
use soft_ioc::{CaTest, python};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const PREFIX: &str = "x:Share:";

/// The function as the page shows it.
fn python_function() -> String {
    let page = include_str!("../../docs/signed-tags.md");
    let block =
        page.split("```python\n").nth(1).expect("a block of Python").split("```").next().expect("its end");
    assert!(
        block.contains("def signature(") && block.lines().filter(|line| !line.is_empty()).count() <= 15,
        "{block}"
    );
    block.to_owned()
}

/// The signatures that it gives for some sets.
fn by_python(key: &str, prefix: &str, sets: &[UserInfo]) -> Vec<String> {
    let sets = serde_json::to_string(sets).unwrap();
    let script = format!(
        "{}\nimport json, sys\nfor texts in json.loads(sys.argv[3]):\n    print(signature(sys.argv[1], \
         sys.argv[2], texts))\n",
        python_function()
    );
    let output = Command::new(python()).args(["-c", &script, key, prefix, &sets]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_documented_python_function_gives_the_same_signature() {
    let key = "f".repeat(64);
    let texts = [
        "",
        "Li",
        "García",
        "Пётр 物理 🔬",
        "a,b:c",
        "3:abc,",
        " blank ",
        "\"quoted\" 'text' \\ $(x)",
        "2026-03\n",
    ];
    let mut sets = vec![UserInfo::default()];
    for (n, text) in texts.into_iter().enumerate() {
        for (count, field) in Field::ALL.into_iter().enumerate() {
            let all = Field::ALL.into_iter().take(count).map(|other| (other, texts[n / 2].to_owned()));
            let mut set: BTreeMap<Field, String> = all.collect();
            set.insert(field, text.to_owned());
            set.insert(Field::Signature, "0".repeat(64));
            sets.push(UserInfo(set));
        }
    }
    let keys = TagKeys::parse(&key).unwrap();
    for prefix in [PREFIX, "2bmb:Share:", "é"] {
        let ours: Vec<String> = sets.iter().map(|set| keys.sign(prefix, set)).collect();
        assert_eq!(by_python(&key, prefix, &sets), ours);
    }
}

#[test]
fn what_the_records_read_is_signed_and_the_update_time_comes_last() {
    let (test, server) = (CaTest::new(), service(serde_json::json!([garcia()])));
    let folder = folder(&server);
    let path = |name: &str| folder.path().join(name);
    let settings = std::fs::read_to_string(path("beamshare.toml")).unwrap();
    let settings =
        settings.replace("[epics.user_info]\n", "[epics.user_info]\nsignature = \"x:Signature\"\n");
    std::fs::write(path("beamshare.toml"), &settings).unwrap();
    let signature = test.file(
        "signature.db",
        &std::fs::read_to_string(soft_ioc::repository("db/user_info_signature.db"))
            .unwrap()
            .replace("UserInfoSignature", "Signature"),
    );
    let records = test.file("user_info.db", &RECORDS.replace("longout, ", "ao, "));
    let _ioc = test.ioc(&[(&records, ""), (&signature, "P=x:,R=")]);
    let tag = |arguments: &[&str]| run(folder.path(), &test, &[&["tag"], arguments].concat());
    let tagged = |arguments: &[&str]| {
        let ended = tag(arguments);
        assert_eq!(ended.code, 0, "{}", ended.err);
    };
    let by_hand = ["--manual", "--last-name", "García", "--email", "ana@upf.example", "--badge", "0071"];

    let made = program(folder.path(), &test).args(["tag", "--new-key", "tag.key"]).output().unwrap();
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(std::fs::metadata(path("tag.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let key = std::fs::read_to_string(path("tag.key")).unwrap().trim().to_owned();

    // Without a key the set is put unsigned, and nothing of a former signature stays.
    tagged(&by_hand);
    assert_eq!(signed(&test).1, "");

    let dry = tag(&[&by_hand[..], &["--key", "tag.key", "--dry-run"]].concat());
    assert!(dry.code == 0 && dry.out.contains("x:Signature"), "{}{}", dry.out, dry.err);
    assert_eq!(signed(&test).1, "", "nothing was put");

    tagged(&[&by_hand[..], &["--key", "tag.key"]].concat());
    let (texts, signature) = signed(&test);
    assert_eq!(texts.0[&Field::PiBadge], "71", "signed as the record reads it, not as it was put");
    assert_eq!(by_python(&key, PREFIX, std::slice::from_ref(&texts)), [&*signature]);
    let times = read(&test);
    let time = |name: &str| times[name].1;
    for (_, name) in NAMES.iter().filter(|(field, _)| *field != Field::UpdateTime) {
        assert!(time(name) <= time("UpdateTime"), "{name} was put after the update time");
    }

    // The key of the settings, after a rotation: the new one signs.
    std::fs::write(path("beamshare.toml"), settings.clone() + "\n[rules]\ntag_key_file = \"tag.key\"\n")
        .unwrap();
    tagged(&["--new-key", "tag.key"]);
    tagged(&by_hand);
    let (texts, signature) = signed(&test);
    let keys = std::fs::read_to_string(path("tag.key")).unwrap();
    let new_key = keys.lines().next().unwrap();
    assert!(new_key != key && keys.lines().nth(1) == Some(&key));
    assert_eq!(by_python(new_key, PREFIX, std::slice::from_ref(&texts)), [&*signature]);

    // Nothing is put where it can't be signed.
    std::fs::set_permissions(path("tag.key"), PermissionsExt::from_mode(0o644)).unwrap();
    let open = tag(&by_hand);
    assert!(open.code == 2 && open.err.contains("chmod 600"), "{}", open.err);
    std::fs::remove_file(path("tag.key")).unwrap();
    assert_eq!(tag(&by_hand).code, 2);
    assert_eq!(signed(&test), (texts, signature), "nothing was put");
}

/// What the PVs read: all but the signature, and the signature.
fn signed(test: &CaTest) -> (UserInfo, String) {
    let read = read(test);
    let texts = NAMES.iter().map(|(field, name)| (*field, read[*name].0.clone())).collect();
    let script = "import epics; pv = epics.PV('x:Signature'); pv.wait_for_connection(timeout=30); \
                  print('READ', pv.get(as_string=True, timeout=30))";
    (UserInfo(texts), crate::tag::printed(test, script).trim().to_owned())
}
