"""Names and passwords: kept as salted scrypt digests, compared in constant time.

Imports nothing but the standard library. What was read is never quoted in an error.
"""

import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_COST = 2**14  # with r = 8: 16 MiB and some 40 ms for one try
_LONGEST = 1024  # bytes of a name or a password; more is a mistake, or worse
_MOST_SENT = 4 * _LONGEST  # characters: taken apart, an accented letter may be more of them


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)  # (32,) of the password


_NOBODY = Account("", bytes(16), bytes(32))


def account(name: str, password: str) -> Account:
    """Raises ValueError for a name or password that nobody could send."""
    if not name or not password:
        raise ValueError("must have both a name and a password, as in name:password")
    if max(len(name.encode()), len(password.encode())) > _LONGEST:
        raise ValueError(f"must have names and passwords of at most {_LONGEST} bytes")
    salt = secrets.token_bytes(16)
    return Account(_composed(name), salt, _stretched(password, salt))


def accounts(value: object) -> tuple[Account, ...]:
    """Of "name:password,name:password", or of a list of such pairs, where commas may be part."""
    pairs = value.split(",") if isinstance(value, str) else value
    if not isinstance(pairs, Sequence) or not all(isinstance(each, str) for each in pairs):
        raise ValueError("must be name:password, with commas between several")
    return _of_pairs(pairs)


def accounts_of_file(value: object) -> tuple[Account, ...]:
    """Of a file with one name:password a line; empty lines and those with # in front are not."""
    if not value:
        return ()
    if not isinstance(value, str):
        raise ValueError("must be the path of a file")
    try:
        text = Path(value).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"cannot be read: {what}") from None
    found = _of_pairs(line for line in text.splitlines() if line.strip() and line[0] != "#")
    if not found:
        raise ValueError("must have a line name:password in it")
    return found


def verified(known: Sequence[Account], name: str, password: str) -> bool:
    """Takes the same time whether the name is known or not; every name is looked at."""
    if max(len(name), len(password)) > _MOST_SENT:  # before anything is done with their characters
        name = password = ""
    given, found = _hashed(name), _NOBODY
    for each in known:
        if hmac.compare_digest(given, _hashed(each.name)):
            found = each
    right = hmac.compare_digest(_stretched(password, found.salt), found.digest)
    return right and found is not _NOBODY


def _of_pairs(pairs: Iterable[str]) -> tuple[Account, ...]:
    made: dict[str, Account] = {}
    for pair in pairs:
        name, _, password = pair.partition(":")
        one = account(name.strip(), password)
        if one.name in made:
            raise ValueError("must have every name once")
        made[one.name] = one
    return tuple(made.values())


def _hashed(name: str) -> bytes:
    """Of one length for all names, so that comparing does not tell it."""
    return hashlib.sha256(_composed(name).encode(errors="surrogatepass")).digest()


def _stretched(password: str, salt: bytes) -> bytes:
    data = _composed(password).encode(errors="surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=_COST, r=8, p=1, dklen=32)


def _composed(text: str) -> str:
    """An accented letter as one code point: some systems send two (RFC 7617 section 2.1)."""
    return unicodedata.normalize("NFC", text)
