"""A person with a native app, by the unmodified globus-sdk: sign-in with PKCE, refresh, consents, what rules allow."""

import os

import globus_sdk
from globus_sdk.scopes import AuthScopes, GCSCollectionScopes, TransferScopes

import person

NATIVE = os.environ["NATIVE_ID"]
MAPPED = os.environ["MAPPED"]
GUEST = os.environ["GUEST"]

native = globus_sdk.NativeAppAuthClient(NATIVE)


def sign_in(username, *scopes):
    native.oauth2_start_flow(requested_scopes=list(scopes), refresh_tokens=True)
    return native.oauth2_exchange_code_for_tokens(person.code(native.oauth2_get_authorize_url(), username))


def refused(call, status, code):
    try:
        call()
    except globus_sdk.GlobusAPIError as error:
        assert (error.http_status, error.code) == (status, code), error
        return error
    raise AssertionError(f"expected {status} {code}")


tokens = sign_in(
    "ada@example.org", AuthScopes.openid, AuthScopes.profile, AuthScopes.email, TransferScopes.all
)
assert set(tokens.by_resource_server) == {"auth.globus.org", "transfer.api.globus.org"}
claims = tokens.decode_id_token()
assert claims["preferred_username"] == "ada@example.org" and claims["email"] == "ada@example.org"
auth = globus_sdk.AuthClient(
    authorizer=globus_sdk.AccessTokenAuthorizer(tokens.by_resource_server["auth.globus.org"]["access_token"])
)
assert auth.userinfo()["name"] == "Ada Lovelace"

# A code is good once, and only with the verifier that belongs to it.
native.oauth2_start_flow(requested_scopes=TransferScopes.all)
code = person.code(native.oauth2_get_authorize_url(), "ada@example.org")
native.oauth2_start_flow(requested_scopes=TransferScopes.all)
assert refused(lambda: native.oauth2_exchange_code_for_tokens(code), 400, "INVALID_GRANT")
assert refused(lambda: native.oauth2_exchange_code_for_tokens(code), 400, "INVALID_GRANT")

# Refreshing.
mine = tokens.by_resource_server["transfer.api.globus.org"]
authorizer = globus_sdk.RefreshTokenAuthorizer(mine["refresh_token"], native)
transfer = globus_sdk.TransferClient(authorizer=authorizer)
transfer.retry_config.max_retries = 0
before = authorizer.access_token
authorizer.handle_missing_authorization()
assert transfer.get_endpoint(GUEST)["my_effective_roles"] == []
assert authorizer.access_token != before

# What the rules allow, and no more.
assert [one["name"] for one in transfer.operation_ls(GUEST, path="/open/")] == ["hello.txt"]
refused(lambda: transfer.operation_ls(GUEST, path="/"), 403, "EndpointPermissionDenied")
refused(lambda: transfer.operation_ls(GUEST, path="/open/../"), 403, "EndpointPermissionDenied")
refused(lambda: transfer.operation_mkdir(GUEST, "/open/new"), 403, "EndpointPermissionDenied")
refused(lambda: transfer.endpoint_acl_list(GUEST), 403, "PermissionDenied")
assert [one["id"] for one in transfer.endpoint_search(filter_scope="shared-with-me")] == [GUEST]
recent = [one["id"] for one in transfer.endpoint_search(filter_scope="recently-used")]
assert recent == [GUEST], recent

# The consent for a mapped collection's data.
refused(lambda: transfer.operation_ls(MAPPED), 403, "ConsentRequired")
wider = TransferScopes.all.with_dependency(GCSCollectionScopes(MAPPED).data_access.with_optional(True))
tokens = sign_in("ada@example.org", wider)
transfer = globus_sdk.TransferClient(
    authorizer=globus_sdk.AccessTokenAuthorizer(
        tokens.by_resource_server["transfer.api.globus.org"]["access_token"]
    )
)
transfer.retry_config.max_retries = 0
assert [one["name"] for one in transfer.operation_ls(MAPPED, path="/")] == ["raw"]
# The links in it, that lead out, lead nowhere.
refused(lambda: transfer.operation_ls(MAPPED, path="/raw/out"), 403, "EndpointPermissionDenied")

# Signing out.
native.oauth2_revoke_token(mine["refresh_token"])
try:
    native.oauth2_refresh_token(mine["refresh_token"])
    raise AssertionError("a revoked token was refreshed")
except globus_sdk.AuthAPIError as error:
    assert error.raw_json["error"] == "invalid_grant"

# Denying.
native.oauth2_start_flow(requested_scopes=TransferScopes.all)
page = person.allow(native.oauth2_get_authorize_url(), "ada@example.org", "deny")
assert "denied" in page.text
print("ok")
