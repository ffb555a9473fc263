"""An SSH server with SFTP that lets in tomo with the password "open sesame" (asyncssh).

Arguments: the host key's file; "password" or "keyboard-interactive". Prints its port.
"""

import asyncio
import sys

import asyncssh

PASSWORD = "open sesame"


class Password(asyncssh.SSHServer):
    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return (username, password) == ("tomo", PASSWORD)

    def kbdint_auth_supported(self):
        return False


class KeyboardInteractive(asyncssh.SSHServer):
    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return False

    def kbdint_auth_supported(self):
        return True

    def get_kbdint_challenge(self, username, lang, submethods):
        return "", "", "en", [("Password: ", False)]

    def validate_kbdint_response(self, username, responses):
        return username == "tomo" and responses == [PASSWORD]


async def main():
    key, method = sys.argv[1:]
    factory = Password if method == "password" else KeyboardInteractive
    server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[key], server_factory=factory, sftp_factory=True)
    print(server.get_port(), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
