"""Users, their keys and sessions, and what each may do in which dossier: one SQLite file.

Keys and session tokens are stored as SHA-256. A slow hash protects secrets that can be guessed; these are 32 random
bytes each, and nobody tries 2^256 of them: a slow one would only let a flood of wrong keys busy the server.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from api.problems import Conflict, Invalid, NotFound
from pipeline.records import Record

Role = Literal["reviewer", "writer", "admin"]
"""In one dossier; each may what the one before it may."""

ABSOLUTE = dt.timedelta(days=7)
"""Longest session, however much it is used: under the 30 days of NIST SP 800-63B, § 4.1.3, for its first level."""
_SEEN = dt.timedelta(minutes=1)
"""How late the record of a session's last use may be: not one write for each request."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_SECRET = re.compile(r"mk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_NOBODY = "0" * 64
"""Compared with where there is no such key, so that it takes as long."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    name TEXT PRIMARY KEY COLLATE NOCASE, admin INTEGER NOT NULL, enabled INTEGER NOT NULL, created TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY, user TEXT NOT NULL COLLATE NOCASE REFERENCES users(name), label TEXT NOT NULL,
    hash TEXT NOT NULL, created TEXT NOT NULL, expires TEXT, revoked TEXT, last_used TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS keys_of_user ON keys(user);
CREATE TABLE IF NOT EXISTS sessions (
    hash TEXT PRIMARY KEY, user TEXT NOT NULL COLLATE NOCASE REFERENCES users(name), key TEXT REFERENCES keys(id),
    opened TEXT NOT NULL, seen TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS grants (
    dossier TEXT NOT NULL, user TEXT NOT NULL COLLATE NOCASE REFERENCES users(name), role TEXT NOT NULL,
    PRIMARY KEY (dossier, user)
) STRICT;
CREATE INDEX IF NOT EXISTS grants_of_user ON grants(user);
"""


class User(Record):
    """Someone who may sign in."""

    name: str
    admin: bool
    """Of the server: every dossier, every user."""
    enabled: bool
    created: str
    """ISO 8601, UTC; so are all the times below."""


class Key(Record):
    """An API key, without its secret, which nobody has but its owner."""

    id: str
    user: str
    label: str
    created: str
    expires: str | None
    """``None``: it does not."""
    revoked: str | None
    last_used: str | None
    """The day only, ``YYYY-MM-DD``; ``None`` where it never was."""


class Session(Record):
    """Someone signed in on the page."""

    user: User
    csrf: str
    """What the forms of this session carry."""


class Grant(Record):
    """What a user may do in a dossier."""

    dossier: str
    user: str
    role: Role


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Identity:
    """The file, made with its folder where it is absent. Any thread may use it; ``now`` is the clock."""

    def __init__(self, path: Path, *, session_hours: float = 12.0, now: Callable[[], dt.datetime] = _utc_now) -> None:
        self._path = path
        self._idle = dt.timedelta(hours=session_hours)
        self._now = now
        self._local = threading.local()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._base.executescript(_SCHEMA)

    # --- users

    def add_user(self, name: str, *, admin: bool = False) -> User:
        """A new user, without a key. Raises Invalid for a name that cannot be one, Conflict where it is taken."""
        if not _NAME.fullmatch(name):
            raise Invalid(
                "Ce nom d’utilisateur ne convient pas",
                where=name[:64],
                remedy="Prenez des lettres sans accent, des chiffres, « . », « _ », « - » ou « @ » : 64 au plus.",
                field="name",
            )
        user = User(name=name, admin=admin, enabled=True, created=self._stamp())
        try:
            self._base.execute("INSERT INTO users VALUES (?, ?, 1, ?)", (name, admin, user.created))
        except sqlite3.IntegrityError as error:
            raise Conflict("Cet utilisateur existe déjà", where=name, remedy="Prenez un autre nom.") from error
        return user

    def users(self) -> list[User]:
        """All, by name; those disabled too."""
        return [_user(row) for row in self._base.execute("SELECT * FROM users ORDER BY name")]

    def user(self, name: str) -> User | None:
        """By name, capitals aside."""
        row = self._base.execute("SELECT * FROM users WHERE name = ?", (name,)).fetchone()
        return _user(row) if row else None

    def disable(self, name: str) -> User:
        """Shut someone out: keys and sessions stop at once, and stay stopped if the user is enabled again.

        Raises NotFound, and Conflict for the last administrator of the server.
        """
        user = self._known(name)
        with self._transaction() as base:
            others = "SELECT 1 FROM users WHERE admin AND enabled AND name <> ?"
            if user.admin and not base.execute(others, (name,)).fetchone():
                raise Conflict(
                    "C’est le dernier administrateur du serveur", where=user.name, remedy="Ajoutez-en un autre d’abord."
                )
            base.execute("UPDATE users SET enabled = 0 WHERE name = ?", (name,))
            base.execute("UPDATE keys SET revoked = ? WHERE user = ? AND revoked IS NULL", (self._stamp(), name))
            base.execute("DELETE FROM sessions WHERE user = ?", (name,))
        return user.model_copy(update={"enabled": False})

    def enable(self, name: str) -> User:
        """Let someone in again, with a new key. Raises NotFound."""
        user = self._known(name)
        self._base.execute("UPDATE users SET enabled = 1 WHERE name = ?", (name,))
        return user.model_copy(update={"enabled": True})

    # --- keys

    def add_key(self, user: str, label: str, days: int | None) -> tuple[Key, str]:
        """A new key and its secret, ``mk_<id>_<43 characters>``, which is not kept. ``days``: until it expires.

        Raises NotFound, and Conflict where the user is disabled.
        """
        owner = self._known(user)
        if not owner.enabled:
            raise Conflict("Cet utilisateur est désactivé", where=owner.name, remedy="Réactivez-le d’abord.")
        expires = None if days is None else self._stamp(dt.timedelta(days=days))
        key = Key(
            id=secrets.token_hex(6),
            user=owner.name,
            label=label,
            created=self._stamp(),
            expires=expires,
            revoked=None,
            last_used=None,
        )
        secret = f"mk_{key.id}_{secrets.token_urlsafe(32)}"
        self._base.execute(
            "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)",
            (key.id, key.user, label, _hash(secret), key.created, expires),
        )
        return key, secret

    def keys(self, user: str) -> list[Key]:
        """A user's, oldest first; those expired or revoked too."""
        rows = self._base.execute("SELECT * FROM keys WHERE user = ? ORDER BY created, rowid", (user,))
        return [_key(row) for row in rows]

    def key(self, key_id: str) -> Key | None:
        row = self._base.execute("SELECT * FROM keys WHERE id = ?", (key_id,)).fetchone()
        return _key(row) if row else None

    def revoke(self, key_id: str) -> Key:
        """End a key and the sessions it opened, at once; ending it again changes nothing. Raises NotFound."""
        with self._transaction() as base:
            base.execute("UPDATE keys SET revoked = ? WHERE id = ? AND revoked IS NULL", (self._stamp(), key_id))
            base.execute("DELETE FROM sessions WHERE key = ?", (key_id,))
        key = self.key(key_id)
        if key is None:
            raise NotFound("Cette clé n’existe pas", where=key_id[:20])
        return key

    def key_of(self, secret: str) -> Key | None:
        """The key with this secret, if it is neither revoked nor expired and its user is enabled."""
        form = _SECRET.fullmatch(secret)
        row = self._base.execute(
            "SELECT keys.*, enabled FROM keys JOIN users ON users.name = keys.user WHERE id = ?",
            (form[1] if form else "",),
        ).fetchone()
        same = hmac.compare_digest(row["hash"] if row else _NOBODY, _hash(secret))
        now = self._now()
        if not row or not same or not row["enabled"] or row["revoked"] or _past(row["expires"], now):
            return None
        today = now.date().isoformat()
        if row["last_used"] != today:
            self._base.execute("UPDATE keys SET last_used = ? WHERE id = ?", (today, row["id"]))
        return _key(row).model_copy(update={"last_used": today})

    def by_secret(self, secret: str) -> User | None:
        """Whose key this is, if it is good."""
        key = self.key_of(secret)
        return self.user(key.user) if key else None

    # --- sessions

    def open_session(self, user: str, key: str | None = None) -> tuple[str, str]:
        """Sign someone in: the token for the cookie and the one for the forms. ``key``: the id of the key it was
        opened with, whose end is the session's too."""
        token = secrets.token_urlsafe(32)
        now = self._stamp()
        with self._transaction() as base:
            base.execute(
                "DELETE FROM sessions WHERE seen <= ? OR opened <= ?",
                (self._stamp(-self._idle), self._stamp(-ABSOLUTE)),
            )
            base.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?)", (_hash(token), user, key, now, now))
        return token, _csrf(token)

    def session(self, token: str) -> Session | None:
        """Who is signed in with this token. Each use makes the session last ``session_hours`` from then, a week at
        most from its opening."""
        digest = _hash(token)
        row = self._base.execute(
            "SELECT users.*, opened, seen, expires, revoked FROM sessions JOIN users ON users.name = sessions.user"
            " LEFT JOIN keys ON keys.id = sessions.key WHERE sessions.hash = ?",
            (digest,),
        ).fetchone()
        now = self._now()
        if (
            row is None
            or not row["enabled"]
            or row["revoked"]
            or _past(row["expires"], now)
            or now >= dt.datetime.fromisoformat(row["seen"]) + self._idle
            or now >= dt.datetime.fromisoformat(row["opened"]) + ABSOLUTE
        ):
            return None
        if now >= dt.datetime.fromisoformat(row["seen"]) + _SEEN:
            self._base.execute("UPDATE sessions SET seen = ? WHERE hash = ?", (self._stamp(), digest))
        return Session(user=_user(row), csrf=_csrf(token))

    def close_session(self, token: str) -> None:
        self._base.execute("DELETE FROM sessions WHERE hash = ?", (_hash(token),))

    # --- grants

    def grant(self, dossier: str, user: str, role: Role) -> None:
        """Give a user a role in a dossier, instead of any other. Raises NotFound for the user."""
        name = self._known(user).name
        self._base.execute("INSERT OR REPLACE INTO grants VALUES (?, ?, ?)", (dossier, name, role))

    def ungrant(self, dossier: str, user: str) -> None:
        """Take the role away. Raises NotFound where there is none."""
        taken = self._base.execute("DELETE FROM grants WHERE dossier = ? AND user = ?", (dossier, user))
        if not taken.rowcount:
            raise NotFound("Cet utilisateur n’a pas de rôle dans ce dossier", where=user[:64])

    def forget(self, dossier: str) -> None:
        """Take all roles in a dossier away: a new one of the same name must not open to the old one's members."""
        self._base.execute("DELETE FROM grants WHERE dossier = ?", (dossier,))

    def role(self, dossier: str, user: str) -> Role | None:
        """As granted; an administrator of the server needs none."""
        row = self._base.execute("SELECT role FROM grants WHERE dossier = ? AND user = ?", (dossier, user)).fetchone()
        return row["role"] if row else None

    def grants(self, dossier: str) -> list[Grant]:
        """Of a dossier, by user."""
        rows = self._base.execute("SELECT * FROM grants WHERE dossier = ? ORDER BY user", (dossier,))
        return [Grant(**row) for row in rows]

    def dossiers_of(self, user: str) -> dict[str, Role]:
        """What was granted to a user: dossier -> role, by dossier."""
        rows = self._base.execute("SELECT dossier, role FROM grants WHERE user = ? ORDER BY dossier", (user,))
        return {row["dossier"]: row["role"] for row in rows}

    # --- the file

    @property
    def _base(self) -> sqlite3.Connection:
        """This thread's connection."""
        base: sqlite3.Connection | None = getattr(self._local, "base", None)
        if base is None:
            base = sqlite3.connect(self._path, isolation_level=None, timeout=10)
            base.row_factory = sqlite3.Row
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA foreign_keys = ON")
            self._local.base = base
        return base

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, alone in writing."""
        base = self._base
        base.execute("BEGIN IMMEDIATE")
        with base:
            yield base

    def _known(self, name: str) -> User:
        user = self.user(name)
        if user is None:
            raise NotFound("Cet utilisateur n’existe pas", where=name[:64])
        return user

    def _stamp(self, later: dt.timedelta = dt.timedelta()) -> str:
        return (self._now() + later).astimezone(dt.UTC).isoformat(timespec="seconds")


def _user(row: sqlite3.Row) -> User:
    return User(name=row["name"], admin=bool(row["admin"]), enabled=bool(row["enabled"]), created=row["created"])


def _key(row: sqlite3.Row) -> Key:
    return Key(**{name: row[name] for name in Key.model_fields})


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _csrf(token: str) -> str:
    """Made from the session's token, so that it need not be stored; the token cannot be found from it."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def _past(when: str | None, now: dt.datetime) -> bool:
    return when is not None and now >= dt.datetime.fromisoformat(when)
