//! ls, stat, mkdir, rename; what no path may reach.

use globus_simulator::Collection;
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::beamline::{Beamline, GUEST, MAPPED, SERVICE, seed};

async fn ls(beamline: &Beamline, query: &[(&str, &str)]) -> (StatusCode, Value) {
    let mut url = beamline.simulator.transfer_url();
    url.set_path(&format!("/v0.10/operation/endpoint/{GUEST}/ls"));
    url.query_pairs_mut().extend_pairs(query);
    let response = beamline.http.get(url).bearer_auth("service-transfer").send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

fn names(listing: &Value) -> Vec<&str> {
    listing["DATA"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_listing_has_every_field() {
    let beamline = Beamline::start(seed()).await;
    let (status, listing) = ls(&beamline, &[("path", "/open/")]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&listing["DATA_TYPE"], &listing["endpoint"]), (&json!("file_list"), &json!(GUEST)));
    let file = &listing["DATA"][0];
    let known =
        json!({"DATA_TYPE": "file", "name": "hello.txt", "type": "file", "size": 5, "link_target": null});
    for (field, value) in known.as_object().unwrap() {
        assert_eq!(&file[field], value, "{field}");
    }
    let time = file["last_modified"].as_str().unwrap();
    assert!(time.len() == 25 && time.ends_with("+00:00") && time.as_bytes()[10] == b' ', "{time}");
    assert_eq!(file["permissions"].as_str().unwrap().len(), 4);
}

#[tokio::test]
async fn pages_filters_and_orders() {
    let beamline = Beamline::start(seed()).await;
    let open = beamline.path("share/open");
    for (name, size) in [("b.h5", 3), ("a.h5", 9), (".hidden", 1)] {
        std::fs::write(open.join(name), vec![0; size]).unwrap();
    }
    std::fs::create_dir(open.join("z")).unwrap();
    let path = ("path", "/open");
    assert_eq!(names(&ls(&beamline, &[path]).await.1), ["z", ".hidden", "a.h5", "b.h5", "hello.txt"]);
    assert_eq!(
        names(&ls(&beamline, &[path, ("show_hidden", "false")]).await.1),
        ["z", "a.h5", "b.h5", "hello.txt"]
    );
    assert_eq!(
        names(&ls(&beamline, &[path, ("filter", "name:~*.h5"), ("orderby", "size DESC")]).await.1),
        ["a.h5", "b.h5"]
    );
    assert_eq!(
        names(&ls(&beamline, &[path, ("filter", "type:file"), ("filter", "size:>4")]).await.1),
        ["a.h5", "hello.txt"]
    );
    let (_, page) = ls(&beamline, &[path, ("orderby", "name"), ("limit", "2"), ("offset", "1")]).await;
    assert_eq!((names(&page), &page["total"], &page["length"]), (vec!["a.h5", "b.h5"], &json!(5), &json!(2)));
    for wrong in [("orderby", "color"), ("filter", "color:red"), ("limit", "many")] {
        assert_eq!(ls(&beamline, &[path, wrong]).await.0, StatusCode::BAD_REQUEST, "{wrong:?}");
    }
}

#[tokio::test]
async fn mkdir_and_rename_tell_what_is_in_the_way() {
    let beamline = Beamline::start(seed()).await;
    assert_eq!(beamline.mkdir("service-transfer", "/open/new").await.0, StatusCode::ACCEPTED);
    for (path, status, code) in [
        ("/open/new", 502, "ExternalError.MkdirFailed.Exists"),
        ("/open/hello.txt", 502, "ExternalError.MkdirFailed.Exists"),
        ("/", 502, "ExternalError.MkdirFailed.Exists"),
        ("/no/parent", 404, "ClientError.NotFound"),
        ("/open/hello.txt/sub", 502, "ExternalError.MkdirFailed.NotDirectory"),
        ("/a\r\nb", 400, "InvalidPath"),
    ] {
        let (got, answer) = beamline.mkdir("service-transfer", path).await;
        assert_eq!((got.as_u16(), &answer["code"]), (status, &json!(code)), "{path}: {answer}");
    }
    for (from, to, status) in [
        ("/open/hello.txt", "/open/new/hi.txt", 200),
        ("/open/hello.txt", "/open/x", 404),
        ("/open", "/open/new/y", 400),
        ("/open/new/hi.txt", "/open/new", 502),
    ] {
        let body = json!({"DATA_TYPE": "rename", "old_path": from, "new_path": to});
        let path = format!("/operation/endpoint/{GUEST}/rename");
        let (got, answer) = beamline.post("service-transfer", &path, body).await;
        assert_eq!(got.as_u16(), status, "{from} to {to}: {answer}");
    }
    assert!(beamline.path("share/open/new/hi.txt").is_file());
}

#[tokio::test]
async fn nothing_leads_out_of_a_collection() {
    let beamline = Beamline::start(seed()).await;
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "x").unwrap();
    std::os::unix::fs::symlink(outside.path(), beamline.path("share/out")).unwrap();
    for path in ["/out", "/out/", "/out/secret", "/open/../out/", "/~/out"] {
        assert_eq!(ls(&beamline, &[("path", path)]).await.0, StatusCode::FORBIDDEN, "{path}");
        let stat = format!("/operation/endpoint/{GUEST}/stat?path={path}");
        assert_ne!(beamline.get("service-transfer", &stat).await.0, StatusCode::OK, "{path}");
    }
    assert_eq!(beamline.mkdir("service-transfer", "/out/new").await.0, StatusCode::FORBIDDEN);
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    // Dots stop at the top of the collection.
    let (_, top) = ls(&beamline, &[("path", "/../../")]).await;
    assert_eq!(names(&top), ["open", "out"]);
}

#[tokio::test]
async fn a_link_inside_leads_only_where_the_rules_do() {
    let beamline = Beamline::start(seed()).await;
    std::fs::create_dir(beamline.path("share/private")).unwrap();
    std::os::unix::fs::symlink("../private", beamline.path("share/open/door")).unwrap();
    let ls = format!("/operation/endpoint/{GUEST}/ls?path=/open/door/");
    assert_eq!(beamline.get("service-transfer", &ls).await.0, StatusCode::OK);
    assert_eq!(beamline.get("ada-transfer", &ls).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn who_has_no_account_on_a_mapped_collection() {
    let mut only = Collection::mapped(Uuid::from_u128(9), "closed", "closed", &SERVICE.to_string());
    only.users = Some(vec!["bob@example.org".to_owned()]);
    let beamline = Beamline::start(seed().collection(only)).await;
    let ls = format!("/operation/endpoint/{}/ls?path=/", Uuid::from_u128(9));
    let (status, refusal) = beamline.get("ada-transfer", &ls).await;
    assert_eq!(
        (status.as_u16(), &refusal["code"]),
        (502, &json!("ExternalError.DirListingFailed.LoginFailed"))
    );
    assert_eq!(beamline.get("service-transfer", &ls).await.0, StatusCode::OK);
}

#[tokio::test]
async fn unknown_collections_and_paths() {
    let beamline = Beamline::start(seed()).await;
    for (path, code) in [
        (format!("/endpoint/{SERVICE}"), "EndpointNotFound"),
        ("/endpoint/nonsense".to_owned(), "EndpointNotFound"),
        (format!("/operation/endpoint/{SERVICE}/ls"), "EndpointNotFound"),
        ("/no/such/call".to_owned(), "ClientError.NotFound"),
        (format!("/operation/endpoint/{MAPPED}/stat?path=/none"), "NotFound"),
    ] {
        let (status, answer) = beamline.get("service-transfer", &path).await;
        assert_eq!((status.as_u16(), &answer["code"]), (404, &json!(code)), "{path}: {answer}");
    }
}
