"""An SMTP server (aiosmtpd) that does what its argument, a JSON object, says:

security  "none", "starttls" or "tls", with cert and key (PEM files)
login     [user, password]: required before mail
answers   {command: reply}: the reply to MAIL, DATA, or to RCPT of an address, in place of 250
hang_at   "greeting", "RCPT" or "DATA": never answers that
port      where it listens; without it, a free one
drop      true: closes the connection after each message
slow      seconds that it takes to answer a message that it has accepted
mute      true: never answers a message that it has accepted
cut       true: closes the connection in place of the answer to a message that it has accepted
away      true: closes each new connection at once

Each line of its standard input is a JSON object that replaces these settings, but for security, login and port.

Prints a JSON object a line: {"port"}, {"connection"}, {"message": base64, "from", "to", "tls", "user"}.
"""

import asyncio
import base64
import json
import logging
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

# Each client that ends a conversation would be told at length on the terminal.
logging.disable()

settings = json.loads(sys.argv[1])
answers = settings.get("answers", {})


def change():
    """The next line of standard input."""
    line = sys.stdin.readline()
    if not line:
        asyncio.get_running_loop().remove_reader(sys.stdin)
        return
    fixed = {name: settings[name] for name in ("security", "cert", "key", "login", "port") if name in settings}
    settings.clear()
    settings.update(json.loads(line) | fixed)
    answers.clear()
    answers.update(settings.get("answers", {}))


def tell(**event):
    print(json.dumps(event), flush=True)


async def hang(at):
    if settings.get("hang_at") == at:
        await asyncio.Event().wait()


def authenticate(server, session, envelope, mechanism, data):
    user, password = settings["login"]
    if (data.login, data.password) == (user.encode(), password.encode()):
        session.user = user
        return AuthResult(success=True)
    return AuthResult(success=False, handled=False)


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, options):
        if "MAIL" in answers:
            return answers["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        await hang("RCPT")
        if address in answers:
            return answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        await hang("DATA")
        if "DATA" in answers:
            return answers["DATA"]
        tell(
            message=base64.b64encode(envelope.original_content).decode(),
            to=envelope.rcpt_tos,
            tls=session.ssl is not None or settings["security"] == "tls",
            user=getattr(session, "user", None),
            **{"from": envelope.mail_from},
        )
        if settings.get("mute"):
            await asyncio.Event().wait()
        if settings.get("cut"):
            server.transport.abort()
            await asyncio.Event().wait()
        await asyncio.sleep(settings.get("slow", 0))
        if settings.get("drop"):
            asyncio.get_running_loop().call_soon(server.transport.close)
        return "250 2.0.0 queued as 4F2"


class Server(SMTP):
    def connection_made(self, transport):
        if self.session is None:
            tell(connection=True)
        if settings.get("away"):
            transport.abort()
            return
        super().connection_made(transport)

    async def _handle_client(self):
        await hang("greeting")
        await super()._handle_client()


async def main():
    context = None
    if settings["security"] != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings["cert"], settings["key"])

    def factory():
        options = {"enable_SMTPUTF8": True, "hostname": "mail.example.org"}
        if settings["security"] == "starttls":
            options |= {"tls_context": context, "require_starttls": True}
        if settings.get("login"):
            options |= {"authenticator": authenticate, "auth_required": True}
            options |= {"auth_require_tls": settings["security"] == "starttls"}
        return Server(Handler(), **options)

    wrapped = context if settings["security"] == "tls" else None
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", settings.get("port", 0), ssl=wrapped)
    asyncio.get_running_loop().add_reader(sys.stdin, change)
    tell(port=server.sockets[0].getsockname()[1])
    await server.serve_forever()


asyncio.run(main())
