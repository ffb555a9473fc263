//! Collections, files, rules, roles, bookmarks: every call against the simulator, with what can go wrong.

use std::fs;

use futures::{StreamExt, TryStreamExt};
use globus_simulator::{Account, Collection, Fault, Seed};
use globus_transfer_client::{Creation, ErrorKind, Permissions, PrincipalType, SearchScope};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::world::{ADA, GUEST, LAPTOP, MAPPED, SERVICE, World};

const NOWHERE: Uuid = Uuid::from_u128(0xdead);

#[tokio::test]
async fn directories_are_made_listed_and_renamed() {
    let world = World::start().await;
    let client = world.service();
    let transfer = client.transfer();

    let made = transfer.create_dir_all(GUEST, "/2026-03/Li").send().await.unwrap();
    assert_eq!(
        made.iter().map(|step| step.creation).collect::<Vec<_>>(),
        [Creation::Created, Creation::Created]
    );
    assert!(world.directory("guest/2026-03/Li").is_dir());
    let again = transfer.create_dir_all(GUEST, "/2026-03/Li").send().await.unwrap();
    assert_eq!(again.iter().map(|step| step.creation).collect::<Vec<_>>(), [Creation::Existed]);
    let failure = transfer.mkdir(GUEST, "/2026-03/").send().await.unwrap_err();
    assert_eq!((failure.kind(), failure.status()), (&ErrorKind::Exists, Some(502)));
    let failure = transfer.mkdir(GUEST, "/x/y/z/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::NotFound, "{failure}");

    for (name, size) in [("b.h5", 3), ("a.h5", 20), (".hidden", 1), ("c.txt", 0)] {
        fs::write(world.directory("guest/2026-03/Li").join(name), vec![b'x'; size]).unwrap();
    }
    let names = |listing: &globus_transfer_client::Listing| {
        listing.entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>()
    };
    let ls = || transfer.ls(GUEST, "/2026-03/Li/");
    assert_eq!(names(&ls().send().await.unwrap()).len(), 4);
    assert_eq!(
        names(&ls().show_hidden(false).order_by("name").send().await.unwrap()),
        ["a.h5", "b.h5", "c.txt"]
    );
    assert_eq!(names(&ls().filter("name:~*.h5").order_by("size").send().await.unwrap()), ["b.h5", "a.h5"]);
    assert_eq!(names(&ls().order_by("name DESC").limit(2).offset(1).send().await.unwrap()), ["b.h5", "a.h5"]);

    transfer.rename(GUEST, "/2026-03/Li/a.h5", "/2026-03/Li/first scan.h5").await.unwrap();
    let file = transfer.stat(GUEST, "/2026-03/Li/first scan.h5").await.unwrap();
    assert_eq!((file.size, file.is_dir()), (20, false));
    let age = Timestamp::now().duration_since(file.last_modified.unwrap());
    assert!(age.abs() < SignedDuration::from_mins(10), "{age}");
    assert_eq!(transfer.stat(GUEST, "/nothing").await.unwrap_err().kind(), &ErrorKind::NotFound);
    assert_eq!(transfer.rename(GUEST, "/nothing", "/x").await.unwrap_err().kind(), &ErrorKind::NotFound);

    assert_eq!(transfer.ls(GUEST, "/nothing/").send().await.unwrap_err().kind(), &ErrorKind::NotFound);
    let failure = transfer.ls(GUEST, "/2026-03/Li/b.h5").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::NotDirectory, "{failure}");
    assert_eq!(transfer.ls(NOWHERE, "/").send().await.unwrap_err().kind(), &ErrorKind::NotFound);
    let failure = transfer.create_dir_all(NOWHERE, "/a/b/c").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::NotFound);
}

#[tokio::test]
async fn names_of_all_kinds_arrive_as_they_are() {
    let world = World::start().await;
    let client = world.service();
    for name in ["a b", "100% +plus&and=is", "größe 数据", "#hash?question", "it's \"quoted\"", "a;b,c"] {
        let path = format!("/{name}/");
        client.transfer().mkdir(GUEST, &path).send().await.unwrap();
        assert!(world.directory("guest").join(name).is_dir(), "{name}");
        let listing = client.transfer().ls(GUEST, &path).send().await.unwrap();
        assert!(listing.entries.is_empty());
        let li = world.simulator.identity("li@example.org").unwrap();
        let id = client.transfer().access_rules(GUEST).create(li, &path).send().await.unwrap();
        assert_eq!(client.transfer().access_rules(GUEST).get(&id).await.unwrap().path, path);
    }
}

#[tokio::test]
async fn a_tree_is_walked_level_by_level() {
    let world = World::start().await;
    let client = world.service();
    let top = world.directory("guest/t");
    for directory in ["a/deep/er", "b", "closed"] {
        fs::create_dir_all(top.join(directory)).unwrap();
    }
    fs::write(top.join("a/deep/er/file"), "x").unwrap();
    std::os::unix::fs::symlink("..", top.join("b/up")).unwrap();

    let walk = |depth| {
        let walk = client.transfer().ls_recursive(GUEST, "/t");
        if let Some(depth) = depth { walk.depth(depth) } else { walk }.stream()
    };
    let mut all: Vec<_> = walk(None).map_ok(|found| (found.depth, found.path())).try_collect().await.unwrap();
    all.sort();
    let expected =
        [(0, "/t/a"), (0, "/t/b"), (0, "/t/closed"), (1, "/t/a/deep"), (1, "/t/b/up"), (2, "/t/a/deep/er")];
    let expected: Vec<_> = expected.into_iter().chain([(3, "/t/a/deep/er/file")]).collect();
    assert_eq!(all.iter().map(|(depth, path)| (*depth, path.as_str())).collect::<Vec<_>>(), expected);
    assert_eq!(walk(Some(0)).count().await, 3);
    assert_eq!(walk(Some(1)).count().await, 5);

    // One directory that can't be listed doesn't end the walk.
    world.simulator.fault(Fault::answer("ls", 403).nth(2));
    let outcomes: Vec<_> = walk(None).collect().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1);
    assert!(outcomes.len() >= 5, "{outcomes:?}");
}

#[tokio::test]
async fn access_rules_live_their_life() {
    let world = World::start().await;
    let client = world.service();
    let rules = client.transfer().access_rules(GUEST);
    let li = world.simulator.identity("li@example.org").unwrap();
    let end: Timestamp = "2199-01-02T03:04:05Z".parse().unwrap();

    let id = rules
        .create(li, "/2026-03/Li")
        .permissions(Permissions::ReadWrite)
        .notify("li@example.org", Some("your data".to_owned()))
        .expires(end)
        .send()
        .await
        .unwrap();
    let notes = world.simulator.notifications();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].text.contains("your data"), "{:?}", notes[0]);

    let rule = rules.get(&id).await.unwrap();
    assert_eq!((rule.path.as_str(), rule.permissions), ("/2026-03/Li/", Permissions::ReadWrite));
    assert_eq!(rule.expiration_date, Some(end));
    assert!(rule.is_for(li));
    let failure = rules.create(li, "/2026-03/Li/").send().await.unwrap_err();
    assert_eq!((failure.kind(), failure.status()), (&ErrorKind::Exists, Some(409)));
    assert!(!failure.may_have_been_done());
    assert_eq!(rules.create(li, "/2026-03/Li/").ensure().await.unwrap(), (id.clone(), Creation::Existed));

    rules.update(&id).permissions(Permissions::Read).expires(None).send().await.unwrap();
    let listed = rules.list().await.unwrap();
    let rule = listed.find(li, "/2026-03/Li").unwrap();
    assert_eq!((rule.permissions, rule.expiration_date), (Permissions::Read, None));
    let used = listed.used();

    rules.create_for(PrincipalType::AllAuthenticatedUsers, None, "/public/").send().await.unwrap();
    assert_eq!(rules.list().await.unwrap().used(), used + 1);

    rules.delete(&id).await.unwrap();
    assert_eq!(rules.get(&id).await.unwrap_err().kind(), &ErrorKind::NotFound);
    assert_eq!(rules.delete(&id).await.unwrap_err().kind(), &ErrorKind::NotFound);
    assert_eq!(
        rules.update(&id).permissions(Permissions::Read).send().await.unwrap_err().kind(),
        &ErrorKind::NotFound
    );
    assert_eq!(rules.create(NOWHERE, "/a/").send().await.unwrap_err().kind(), &ErrorKind::InvalidRequest);
    assert_eq!(rules.create(li, "/a/../b/").send().await.unwrap_err().kind(), &ErrorKind::InvalidRequest);

    // Ada has no role on it.
    let ada = world.ada();
    let failure = ada.transfer().access_rules(GUEST).create(li, "/a/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::PermissionDenied, "{failure}");
}

#[tokio::test]
async fn a_full_collection_says_so() {
    let world = World::with(|mut seed| {
        seed.limits.rules = 2;
        seed
    })
    .await;
    let client = world.service();
    let rules = client.transfer().access_rules(GUEST);
    let li = world.simulator.identity("li@example.org").unwrap();
    for path in ["/a/", "/b/"] {
        rules.create(li, path).send().await.unwrap();
    }
    let failure = rules.create(li, "/c/").send().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::LimitExceeded);
    assert!(!failure.is_transient());
}

#[tokio::test]
async fn lost_answers_double_nothing() {
    let world = World::start().await;
    let client = world.service();
    let transfer = client.transfer();
    let li = world.simulator.identity("li@example.org").unwrap();
    for call in
        ["mkdir", "access_create", "access_delete", "shared_endpoint_create", "rename", "token", "identities"]
    {
        world.simulator.fault(Fault::cut_after(call));
    }
    let made = transfer.create_dir_all(GUEST, "/new").send().await.unwrap();
    assert_eq!(made[0].creation, Creation::Unclear);
    let (id, made) = transfer.access_rules(GUEST).create(li, "/new").ensure().await.unwrap();
    assert_eq!(made, Creation::Unclear);
    assert_eq!(world.simulator.rules(GUEST).len(), 1);
    transfer.access_rules(GUEST).delete(&id).await.unwrap();
    assert!(world.simulator.rules(GUEST).is_empty());

    let failure = transfer.rename(GUEST, "/new", "/newer").await.unwrap_err();
    assert!(failure.may_have_been_done() && failure.is_transient(), "{failure}");
    assert_eq!(world.simulator.count("rename"), 1);
    assert!(world.directory("guest/newer").is_dir());

    let ada = world.ada();
    let failure = ada.transfer().collection(LAPTOP).create_guest("/", "Twice?").send().await.unwrap_err();
    assert!(failure.may_have_been_done(), "{failure}");
    assert_eq!(world.simulator.count("shared_endpoint_create"), 1, "never asked for twice");

    let found =
        client.auth().identities().by_usernames(&["new@example.org"]).provision(true).send().await.unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn identities_are_found_and_provisioned() {
    let world = World::start().await;
    let client = world.service();
    let people = ["LI@Example.org", ADA, "Nobody.Yet@Example.org"];
    let found = client.auth().identities().by_usernames(&people).send().await.unwrap();
    assert_eq!(found.missing(&people), ["Nobody.Yet@Example.org"]);
    world.simulator.clear_requests();
    let found = client.auth().identities().by_usernames(&people).provision(true).send().await.unwrap();
    assert_eq!(world.simulator.count("identities"), 1);
    let new = found.find("nobody.yet@example.org").unwrap();
    assert_eq!((new.status.as_deref(), new.name.as_deref()), (Some("unused"), None));
    let ids: Vec<Uuid> = found.iter().map(|identity| identity.id).collect();
    let by_id = client.auth().identities().by_ids(&ids).send().await.unwrap();
    assert_eq!(by_id.len(), 3);
    assert_eq!(by_id.find(ADA).unwrap().name.as_deref(), Some("Ada Lovelace"));
}

#[tokio::test]
async fn a_token_can_be_asked_about() {
    let world = World::start().await;
    let secret = crate::world::SECRET.into();
    let client = world.ada();
    let said = client.auth().introspect(SERVICE, &secret, &crate::world::ADA_AUTH.into()).await.unwrap();
    assert!(said.active);
    assert_eq!(said.username.as_deref(), Some(ADA));
    let said = client.auth().introspect(SERVICE, &secret, &"no such token".into()).await.unwrap();
    assert!(!said.active);
    let failure = client.auth().introspect(SERVICE, &"wrong".into(), &"x".into()).await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::AuthenticationFailed);
}

#[tokio::test]
async fn collections_are_shown_searched_made_and_deleted() {
    let world = World::with(|seed| {
        (0..130).fold(seed, |seed: Seed, n| {
            seed.collection(Collection::mapped(Uuid::from_u128(1000 + n), &format!("Many {n}"), "many", ADA))
        })
    })
    .await;
    let ada = world.ada();
    let mapped = ada.transfer().collection(MAPPED).get().await.unwrap();
    assert_eq!(mapped.display_name.as_deref(), Some("Facility storage"));
    assert!(!mapped.is_guest() && mapped.needs_data_access());
    assert!(mapped.my_effective_roles.iter().any(|role| role == "administrator"));
    let guest = ada.transfer().collection(GUEST).get().await.unwrap();
    assert!(guest.is_guest() && !guest.needs_data_access() && guest.acl_available && !guest.acl_editable);
    assert_eq!(ada.transfer().collection(NOWHERE).get().await.unwrap_err().kind(), &ErrorKind::NotFound);

    let found: Vec<_> = ada.transfer().search().text("many").stream().try_collect().await.unwrap();
    assert_eq!(found.len(), 130, "two pages");
    assert_eq!(world.simulator.count("endpoint_search"), 2);
    let failure = ada.transfer().search().stream().try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(failure.kind(), &ErrorKind::InvalidRequest, "all collections need a text");

    fs::create_dir_all(world.directory("mapped/shared")).unwrap();
    let host = ada.transfer().collection(LAPTOP);
    let id = host
        .create_guest("/shared", "Shared with Li")
        .description("for a test")
        .organization("Example")
        .send()
        .await
        .unwrap();
    let made = ada.transfer().collection(id).get().await.unwrap();
    assert_eq!((made.host_endpoint_id, made.description.as_deref()), (Some(LAPTOP), Some("for a test")));
    assert!(host.my_guest_collections().await.unwrap().iter().any(|guest| guest.id == id));

    let li = world.simulator.identity("li@example.org").unwrap();
    let scopes = |scope| {
        let ada = ada.clone();
        async move {
            let found: Vec<_> = ada.transfer().search().scope(scope).stream().try_collect().await.unwrap();
            found.into_iter().map(|collection| collection.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(scopes(SearchScope::SharedByMe).await, [id]);
    assert!(scopes(SearchScope::SharedWithMe).await.is_empty());
    assert!(scopes(SearchScope::MyEndpoints).await.contains(&MAPPED));
    assert!(scopes(SearchScope::AdministeredByMe).await.contains(&id));
    assert!(scopes(SearchScope::MyGcpEndpoints).await.contains(&LAPTOP));
    assert!(scopes(SearchScope::InUse).await.is_empty());
    ada.transfer().ls(MAPPED, "/").send().await.unwrap();
    assert!(scopes(SearchScope::RecentlyUsed).await.contains(&MAPPED));
    let owned = ada.transfer().search().text("li").owner(li).stream().try_collect::<Vec<_>>().await.unwrap();
    assert!(owned.is_empty());
    let guests = ada.transfer().search().text("data").entity_type("GCSv5_guest_collection").stream();
    assert!(guests.try_collect::<Vec<_>>().await.unwrap().iter().all(|found| found.is_guest()));

    ada.transfer().collection(id).delete().await.unwrap();
    assert_eq!(ada.transfer().collection(id).get().await.unwrap_err().kind(), &ErrorKind::NotFound);
    assert_eq!(
        ada.transfer().collection(GUEST).delete().await.unwrap_err().kind(),
        &ErrorKind::PermissionDenied
    );
}

#[tokio::test]
async fn roles_and_bookmarks_live_their_life() {
    let world = World::with(|seed| seed.account(Account::new("kim@example.org", "Kim"))).await;
    let service = world.service();
    let kim = world.simulator.identity("kim@example.org").unwrap();
    let roles = service.transfer().collection(GUEST).roles();
    let role = roles.create(kim, "access_manager").await.unwrap();
    assert_eq!(roles.create(kim, "access_manager").await.unwrap_err().kind(), &ErrorKind::Exists);
    let listed = roles.list().await.unwrap();
    assert!(listed.iter().any(|other| other.principal == kim.to_string() && other.role == "access_manager"));
    roles.delete(role.id.unwrap()).await.unwrap();
    assert_eq!(roles.delete(role.id.unwrap()).await.unwrap_err().kind(), &ErrorKind::NotFound);

    let bookmarks = service.transfer().bookmarks();
    let made = bookmarks.create("this month", GUEST, "/2026-03").await.unwrap();
    assert_eq!((made.path.as_str(), made.endpoint_id), ("/2026-03/", GUEST));
    let failure = bookmarks.create("this month", GUEST, "/").await.unwrap_err();
    assert!(matches!(failure.kind(), ErrorKind::Exists | ErrorKind::Conflict), "{failure}");
    assert_eq!(bookmarks.rename(made.id, "last month").await.unwrap().name, "last month");
    assert_eq!(bookmarks.get(made.id).await.unwrap().name, "last month");
    assert_eq!(bookmarks.list().await.unwrap().len(), 1);
    bookmarks.delete(made.id).await.unwrap();
    assert!(bookmarks.list().await.unwrap().is_empty());
    assert_eq!(bookmarks.get(made.id).await.unwrap_err().kind(), &ErrorKind::NotFound);
}

#[tokio::test]
async fn faults_of_every_status_are_ridden_out_or_said() {
    let world = World::start().await;
    let client = world.service();
    for status in [429, 500, 503, 504] {
        world.simulator.clear_requests();
        world.simulator.fault(Fault::answer("ls", status).times(2));
        client.transfer().ls(GUEST, "/").send().await.unwrap();
        assert_eq!(world.simulator.count("ls"), 3, "{status}");
    }
    for (status, kind) in [
        (400, ErrorKind::InvalidRequest),
        (403, ErrorKind::PermissionDenied),
        (404, ErrorKind::NotFound),
        (409, ErrorKind::Conflict),
    ] {
        world.simulator.fault(Fault::answer("access_list", status));
        let failure = client.transfer().access_rules(GUEST).list().await.unwrap_err();
        assert_eq!((failure.kind(), failure.status()), (&kind, Some(status)), "{failure}");
    }
    // A collection that can't be reached is retried as well.
    world.simulator.clear_requests();
    world.simulator.fault(Fault::answer("ls", 502).times(6));
    let failure = client.transfer().ls(GUEST, "/").send().await.unwrap_err();
    assert_eq!((failure.kind(), failure.code()), (&ErrorKind::EndpointError, Some("EndpointError")));
    assert!(failure.is_transient());
    assert_eq!(world.simulator.count("ls"), 6);
    // 401 is mended with a new token.
    world.simulator.clear_requests();
    world.simulator.fault(Fault::answer("ls", 401));
    client.transfer().ls(GUEST, "/").send().await.unwrap();
    assert_eq!((world.simulator.count("token"), world.simulator.count("ls")), (1, 2));
    // Cut and lost connections.
    for fault in [Fault::cut_before("mkdir"), Fault::cut_after("ls")] {
        world.simulator.fault(fault);
    }
    client.transfer().mkdir(GUEST, "/a/").send().await.unwrap();
    client.transfer().ls(GUEST, "/a/").send().await.unwrap();
}
