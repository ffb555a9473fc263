use super::*;

#[test]
fn a_secret_is_kept_only_when_it_works() {
    let site = Site::new();
    site.sign_in_as_service();
    let file = site.path("globus.secret");
    let ended = site.act_with_input(&["login", "--service"], "a wrong secret\n");
    assert_eq!(ended.code, 1, "{}", ended.out);
    assert!(!file.exists() && !ended.err.contains("a wrong secret"), "{}", ended.err);
    assert!(ended.err.contains("login --service --replace"), "{}", ended.err);
    assert_eq!(site.act_with_input(&["login", "--service"], "\n").code, 1);
    assert!(!file.exists());

    let ended = site.act_with_input(&["login", "--service"], &format!("{SECRET}\n"));
    assert_eq!(ended.code, 0, "{}", ended.err);
    let name = format!("{SERVICE}@clients.auth.globus.org");
    assert!(ended.out.contains(&format!("Signed in as {name}")), "{}", ended.out);
    assert_eq!((std::fs::read_to_string(&file).unwrap(), mode(&file)), (format!("{SECRET}\n"), 0o600));
    assert!(!ended.out.contains(SECRET) && !ended.err.contains(SECRET));

    // What works is not asked for again.
    let ended = site.act_with_input(&["login", "--service"], "");
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("works"), "{}", ended.out);
    let ended = site.act_with_input(&["login", "--service", "--replace"], "a wrong secret\n");
    assert_eq!(ended.code, 1);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{SECRET}\n"), "the one that works stays");

    let me = site.json(&["whoami"]);
    assert_eq!(
        (me["sign_in"].as_str(), me["username"].as_str()),
        (Some("service"), Some(name.as_str())),
        "{me:#}"
    );
    let ended = site.act(&["logout"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("globus.secret"), "{}", ended.err);
    let ended = site.act(&["login"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("login --service"), "{}", ended.err);
}

/// Root signs in for the account that owns the journal's folder.
#[test]
fn root_gives_the_secret_to_the_account_of_the_service() {
    use std::os::unix::fs::{MetadataExt, chown};
    let site = Site::new();
    site.sign_in_as_service();
    let file = site.path("beamshare.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("path = \"journal.sqlite\"", "path = \"state/journal.sqlite\""))
        .unwrap();
    std::fs::create_dir(site.path("state")).unwrap();
    if chown(site.path("state"), Some(54_321), Some(54_322)).is_err() {
        return; // only root can give it away
    }
    let ended = site.act_with_input(&["login", "--service"], &format!("{SECRET}\n"));
    assert_eq!(ended.code, 0, "{}", ended.err);
    let metadata = std::fs::metadata(site.path("globus.secret")).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (54_321, 54_322, 0o600));
}

#[test]
fn a_typed_secret_is_not_shown() {
    let site = Site::new();
    site.sign_in_as_service();
    let mut command = Command::new(super::super::support::ioc::python());
    command.arg(super::super::support::ioc::repository("tests/cli/globus/type_secret.py"));
    command.args([SECRET, env!("CARGO_BIN_EXE_beamshare"), "login", "--service"]);
    let output = command.current_dir(site.folder.path()).env_remove("BEAMSHARE_CONFIG").output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        shown.contains("Secret (") && shown.contains("Signed in as") && !shown.contains(SECRET),
        "{shown}"
    );
}

#[test]
fn a_secret_that_others_may_have_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::of_service();
    let file = site.path("globus.secret");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let ended = site.act_with_input(&["login", "--service"], "");
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("chmod 600") && ended.err.contains("--replace"), "{}", ended.err);
    let ended = site.act_with_input(&["login", "--service", "--replace"], SECRET);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(mode(&file), 0o600);
}
