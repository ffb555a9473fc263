//! Edits of the settings.

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

fn watch(config: &Config) -> Changes {
    ConfigWatcher::new().unwrap().watch(config, CHECKS).unwrap()
}

async fn next(changes: &mut Changes) -> Result<Config, ConfigError> {
    tokio::time::timeout(LIMIT, changes.next()).await.expect("an edit is noticed")
}

fn with_mail() -> String {
    SMALLEST.to_owned()
        + "[email]\nfrom = \"a@b.org\"\ntext_template = \"message.txt\"\ntransport.folder.path = \"o\"\n"
}

#[tokio::test]
async fn edits_of_every_kind_are_noticed() {
    let (folder, file) = write(&with_mail());
    let mut changes = watch(&load(&file).unwrap());

    // In place.
    std::fs::write(&file, with_mail().replace("2-BM", "7-BM")).unwrap();
    assert_eq!(next(&mut changes).await.unwrap().beamline.name, "7-BM");
    // By a new file in the old one's place, as editors do.
    let new = folder.path().join(".beamshare.toml.swp");
    std::fs::write(&new, with_mail().replace("2-BM", "32-ID")).unwrap();
    std::fs::rename(&new, &file).unwrap();
    assert_eq!(next(&mut changes).await.unwrap().beamline.name, "32-ID");
    // A broken one, told once; then the same as before it, which is told because it was broken between.
    std::fs::write(&file, "[beamline").unwrap();
    assert!(next(&mut changes).await.is_err());
    std::fs::write(&file, with_mail().replace("2-BM", "32-ID")).unwrap();
    assert_eq!(next(&mut changes).await.unwrap().beamline.name, "32-ID");
    // A template; a broken one.
    std::fs::write(folder.path().join("message.txt"), "Dear {{ pi_last_name }}").unwrap();
    next(&mut changes).await.unwrap();
    std::fs::write(folder.path().join("message.txt"), "Dear {{ pi_last_name").unwrap();
    assert!(next(&mut changes).await.unwrap_err().to_string().contains("message.txt"));
}

#[tokio::test]
async fn a_file_that_others_can_change_is_not_taken_over() {
    let (_folder, file) = write(SMALLEST);
    let mut changes = watch(&load(&file).unwrap());
    let mode = |mode| std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
    mode(0o666);
    std::fs::write(&file, SMALLEST.replace("2-BM", "7-BM")).unwrap();
    let error = next(&mut changes).await.unwrap_err().to_string();
    assert!(error.contains("can be changed by every account"), "{error}");
    mode(0o644);
    assert_eq!(next(&mut changes).await.unwrap().beamline.name, "7-BM");
}

#[tokio::test]
async fn an_edit_before_the_watch_began_is_noticed_and_a_touch_is_none() {
    let (folder, file) = write(&with_mail());
    let config = load(&file).unwrap();
    std::fs::write(&file, with_mail().replace("2-BM", "7-BM")).unwrap();
    let mut changes = watch(&config);
    assert_eq!(next(&mut changes).await.unwrap().beamline.name, "7-BM");

    // The same text again and a file beside it: the next change told is the real one after them.
    std::fs::write(&file, with_mail().replace("2-BM", "7-BM")).unwrap();
    std::fs::write(folder.path().join("beside"), "x").unwrap();
    let looked = tokio::time::timeout(Duration::from_secs(2), changes.next()).await;
    assert!(looked.is_err(), "nothing changed: {looked:?}");
    std::fs::write(&file, with_mail().replace("2-BM", "8-BM")).unwrap();
    assert_eq!(next(&mut changes).await.unwrap().beamline.name, "8-BM");
}

#[tokio::test]
async fn an_edit_behind_a_link_is_noticed() {
    let (_folder, file) = write(&with_mail());
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("2bm.toml");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    std::fs::write(elsewhere.path().join("message.txt"), "x").unwrap();
    let mut changes = watch(&load(&link).unwrap());
    std::fs::write(&file, with_mail().replace("2-BM", "7-BM")).unwrap();
    assert_eq!(next(&mut changes).await.unwrap().beamline.name, "7-BM");
}
