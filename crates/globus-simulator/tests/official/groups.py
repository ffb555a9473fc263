"""The GroupsClient of the unmodified globus-sdk: everything that it can do, and sharing a directory with a group."""

import os

import globus_sdk
from globus_sdk.scopes import GroupsScopes

CLIENT = os.environ["CLIENT_ID"]
GUEST = os.environ["GUEST"]
ADA = os.environ["ADA"]
SEEDED = os.environ["GROUP"]
SUBSCRIPTION = os.environ["SUBSCRIPTION"]

app = globus_sdk.ClientApp("beamline", client_id=CLIENT, client_secret=os.environ["CLIENT_SECRET"])
groups = globus_sdk.GroupsClient(app=app, app_scopes=[GroupsScopes.all])
groups.retry_config.max_retries = 0
transfer = globus_sdk.TransferClient(app=app)
auth = globus_sdk.AuthClient(app=app)
bob = auth.get_identities(usernames="bob@example.org")["identities"][0]["id"]


def refused(call, status, code):
    try:
        call()
    except globus_sdk.GroupsAPIError as error:
        assert (error.http_status, error.code) == (status, code), error
        return error
    raise AssertionError(f"expected {status} {code}")


# A group of one's own.
made = groups.create_group({"name": "2026-03 Lovelace", "description": "users of one beam time"})
group = made["id"]
assert made["my_memberships"][0] | {"username": ""} == {
    "group_id": group, "identity_id": CLIENT, "role": "admin", "status": "active", "username": "",
    "membership_fields": {},
}
assert {one["id"] for one in groups.get_my_groups()} == {group, SEEDED}
assert groups.get_my_groups(statuses="invited").data == []
assert groups.update_group(group, {"name": "2026-03 Lovelace", "description": "closed"})["description"] == "closed"

# Policies, fields and preferences.
assert groups.get_group_policies(group)["group_visibility"] == "private"
policies = globus_sdk.GroupPolicies(
    is_high_assurance=False,
    group_visibility="authenticated",
    group_members_visibility="members",
    join_requests=True,
    signup_fields=["institution"],
)
assert groups.set_group_policies(group, policies)["join_requests"] is True
refused(lambda: groups.set_group_policies(group, {"join_requests": "yes"}), 422, "UNPROCESSABLE_ENTITY")
groups.set_membership_fields(group, {CLIENT: {"institution": "Example"}})
assert groups.get_membership_fields(group)[CLIENT] == {"institution": "Example"}
assert groups.set_identity_preferences({CLIENT: {"allow_add": False}})[CLIENT] == {"allow_add": False}
assert groups.get_identity_preferences()[CLIENT] == {"allow_add": False}
assert groups.get_group_by_subscription_id(SUBSCRIPTION)["group_id"] == SEEDED
verified = groups.set_subscription_admin_verified(group, SUBSCRIPTION)
assert verified["subscription_admin_verified_id"] == SUBSCRIPTION

# Members.
manager = globus_sdk.GroupsManager(groups)
assert manager.add_member(group, ADA)["add"][0]["status"] == "active"
assert manager.add_member(group, ADA)["errors"]["add"][0]["code"] == "ALREADY_ACTIVE"
assert manager.invite_member(group, bob, role="manager")["invite"][0]["status"] == "invited"
assert manager.change_role(group, ADA, role="manager")["change_role"][0]["role"] == "manager"
batch = globus_sdk.BatchMembershipActions().remove_members([bob]).change_roles("admin", [ADA])
answer = groups.batch_membership_action(group, batch)
assert answer["change_role"][0]["role"] == "admin" and answer["errors"]["remove"][0]["code"] == "INVALID_STATUS"
members = groups.get_group(group, include=["memberships", "policies"])["memberships"]
assert {(one["identity_id"], one["status"]) for one in members} == {
    (CLIENT, "active"), (ADA, "active"), (bob, "invited"),
}

# A directory for the group.
transfer.operation_mkdir(GUEST, "/for-the-group/")
rule = {
    "DATA_TYPE": "access", "principal_type": "group", "principal": group,
    "path": "/for-the-group/", "permissions": "r",
}
transfer.add_endpoint_acl_rule(GUEST, rule)
ada = globus_sdk.TransferClient(authorizer=globus_sdk.AccessTokenAuthorizer("ada-transfer"))
ada.retry_config.max_retries = 0
ada.operation_ls(GUEST, path="/for-the-group/")
manager.remove_member(group, ADA)
try:
    ada.operation_ls(GUEST, path="/for-the-group/")
    raise AssertionError("a former member can still read")
except globus_sdk.TransferAPIError as error:
    assert error.code == "EndpointPermissionDenied"
assert "errors" in manager.leave(group, CLIENT)
groups.delete_group(group)
refused(lambda: groups.get_group(group), 404, "GROUP_NOT_FOUND")
print("ok")
