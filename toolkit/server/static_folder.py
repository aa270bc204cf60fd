"""What is in a served folder: from a path to the file that stands for it, with all forms that it can be had in.

How it works. A path becomes names (`beneath.py`), the names become candidates: the file itself, or what stands for it
(an index, a page). The first that can be opened becomes an entry: its validators and fields, its bytes if it is small,
and the codings that it can be had in, which are siblings (`app.js.br`) or are still to be made.

Entries are kept in memory (`file_cache.py`). Once a second at most an entry is looked at anew: it stays as long as
every file that it was made of has the same inode, size and times, and those that were looked for before it are still
not there. Opening, looking at and reading small files happens on the event loop: what is hot is in the system's memory.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from typing import TYPE_CHECKING, Final

from toolkit.protocol.conditional import weaken
from toolkit.protocol.media_types import media_type_of
from toolkit.protocol.negotiate import choose_coding
from toolkit.server.answers import ContentType
from toolkit.server.beneath import FileState, NotBeneath, names_of, open_beneath, state_of
from toolkit.server.file_cache import FileCache
from toolkit.server.files import Representation, entity_tag, read_whole, validators_of
from toolkit.server.static_options import ENDINGS, StaticOptions

if TYPE_CHECKING:
    import io
    from collections.abc import Mapping, Sequence

    from toolkit.protocol.fields import Fields

__all__ = ["Entry", "Folder"]

log = logging.getLogger("toolkit.server")

CHOICES: Final = 32  #: different Accept-Encoding fields that an entry remembers its choice for; browsers send five


class Entry:
    """A file, or a folder that is answered by a redirect or a listing, as requests find it."""

    __slots__ = ("choices", "coded", "due", "folder", "identity", "known", "making", "path", "useless", "watched")

    def __init__(self, path: str, watched: Sequence[tuple[str, FileState | None]]) -> None:
        self.path = path
        self.watched = tuple(watched)  # every file that decided on what this is, and how it was
        self.due = 0.0  # when to look again
        self.folder: tuple[str, ...] | None = None  # the names of the folder that it is
        self.identity: Representation | None = None
        self.coded: dict[str, Representation] = {}
        self.known: dict[str, ContentType] = {}  # by coding, "" for none: the fields of a whole answer
        self.choices: dict[bytes, str] = {}
        self.making: set[str] = set()  # codings that somebody makes just now
        self.useless: set[str] = set()  # those that make it larger

    def choose(self, accept: bytes, parts: bool) -> str:
        """The coding for a client, "" for none. Parts are those of bytes that are there for good: siblings."""
        known = None if parts else self.choices.get(accept)
        if known is not None:
            return known
        offers = [name for name, one in self.coded.items() if name not in self.useless]
        if parts:
            offers = [name for name in offers if not self.coded[name].etag.startswith("W/")]
        chosen = choose_coding(accept.decode("latin-1"), offers) or ""
        if not parts:
            if len(self.choices) >= CHOICES:
                self.choices.clear()
            self.choices[accept] = chosen
        return chosen


class Folder:
    """The files below `root`, as requests name them; see `StaticServer` for `page_dir`. `more` fields go with each."""

    def __init__(
        self, root: str, options: StaticOptions, page_dir: str | None, index: str | None, more: Fields
    ) -> None:
        self.root = root
        self.options = options
        self.page_dir = page_dir
        self.index = index
        self.more = more
        self.cache = FileCache[Entry](options.cache_size)
        self.now = time.monotonic

    def find(self, path: str, *, encoded: bool) -> Entry | None:
        """What a path that begins with a slash stands for; None for nothing."""
        # What is percent-encoded could look like a name that is not.
        entry = None if encoded and "%" in path else self.cache.get(path)
        return entry if entry is not None and self.now() < entry.due else self._found(path, encoded)

    def _found(self, path: str, encoded: bool) -> Entry | None:
        """The entry of a path: the known one if it is still right, or a new one."""
        names = names_of(path, encoded=encoded, dotfiles=self.options.dotfiles)
        if names is None:
            return None
        slash = path.endswith("/")
        key = "/" + "/".join(names) + ("/" if slash and names else "")  # one for all ways to write it
        entry = self.cache.get(key)
        now = self.now()
        if entry is not None:
            if now < entry.due:
                return entry
            if all(_look(each) == state for each, state in entry.watched):
                entry.due = now + self.options.revalidate
                self.cache.touch(key)
                return entry
            self.cache.drop(key)
        entry = self._load(key, names, slash)
        if entry is not None and entry.identity is not None:
            entry.due = now + self.options.revalidate
            held = [one.body for one in (entry.identity, *entry.coded.values())]
            self.cache.put(key, entry, sum(len(body) for body in held if body is not None))
        return entry

    def _candidates(self, names: tuple[str, ...], slash: bool) -> list[tuple[str, ...]]:
        """Where to look for what these names ask for, best first."""
        if self.page_dir is not None:
            pages = (self.page_dir,)
            if not names:
                return [(*pages, self.index)] if self.index else []
            if "." in names[-1]:
                return [names, (*pages, *names)]
            found = [(*pages, *names[:-1], f"{names[-1]}.html")]
            return [*found, (*pages, *names, self.index)] if slash and self.index else found
        if not names or slash:
            return [(*names, self.index)] if self.index else []
        return [names]

    def _load(self, key: str, names: tuple[str, ...], slash: bool) -> Entry | None:
        """Look, and open what is there."""
        watched: list[tuple[str, FileState | None]] = []
        for candidate in self._candidates(names, slash):
            full = os.path.join(self.root, *candidate)
            try:
                file, found = open_beneath(self.root, candidate)
            except NotBeneath:
                watched.append((full, None))
                continue
            if file is not None:
                with file:
                    return self._load_file(key, candidate, file, found, watched)
            watched.append((full, None))
            if not slash and self.page_dir is None:
                return self._load_folder(key, candidate, watched)
        if slash or not names:
            return self._load_folder(key, names, watched)
        return None

    def _load_folder(
        self, key: str, names: tuple[str, ...], watched: Sequence[tuple[str, FileState | None]]
    ) -> Entry | None:
        """A folder: with a slash behind it a listing, without one a redirect to where there is something to be seen."""
        if self.page_dir is not None:
            return None
        if not self._has(names, folder=True):
            return None
        if not self.options.listing:
            looked = key.endswith("/")  # for an index, and there is none
            if looked or not self.index or not self._has((*names, self.index), folder=False):
                return None
        entry = Entry(key, watched)
        entry.folder = names
        return entry

    def _has(self, names: tuple[str, ...], *, folder: bool) -> bool:
        try:
            file, _ = open_beneath(self.root, names)
        except NotBeneath:
            return False
        if file is not None:
            file.close()
        return (file is None) is folder

    def _load_file(
        self,
        key: str,
        names: tuple[str, ...],
        file: io.FileIO,
        found: os.stat_result,
        watched: list[tuple[str, FileState | None]],
    ) -> Entry | None:
        options, state = self.options, state_of(found)
        body = None
        if state.size <= options.cached_file:
            try:
                body, state = read_whole(file)
            except NotBeneath as error:
                log.warning("%s", error)
                return None
        full = os.path.join(self.root, *names)
        content_type = media_type_of(names[-1], options.content_types, options.charset)
        siblings = self._siblings(names, full, watched)
        made = self._codings_to_make(content_type, state.size, siblings)
        entry = Entry(key, [*watched, (full, state)])
        vary: Fields = [(b"vary", b"accept-encoding")] if siblings or made else []
        tag, kind = entity_tag(state), content_type.encode("latin-1")
        entry.identity = self._representation(entry, "", kind, state, tag, vary, names, body)
        for coding, (beside, kept, sibling) in siblings.items():
            fields = [*vary, (b"content-encoding", coding.encode())]
            one = self._representation(entry, coding, kind, kept, entity_tag(kept, coding), fields, beside, sibling)
            entry.coded[coding] = one
        for coding in made:
            fields = [*vary, (b"content-encoding", coding.encode())]
            # Equal in meaning, and to the byte only as long as nobody installs another library.
            weak = weaken(entity_tag(state, coding))
            entry.coded[coding] = self._representation(entry, coding, kind, state, weak, fields, None, None)
        return entry

    def _siblings(
        self, names: tuple[str, ...], full: str, watched: list[tuple[str, FileState | None]]
    ) -> dict[str, tuple[tuple[str, ...], FileState, bytes | None]]:
        """The precompressed files beside it, whatever their age: whoever put them there meant it."""
        found: dict[str, tuple[tuple[str, ...], FileState, bytes | None]] = {}
        for coding in self.options.precompressed:
            beside = (*names[:-1], names[-1] + ENDINGS[coding])
            try:
                file, stats = open_beneath(self.root, beside)
                if file is None:
                    raise NotBeneath("a folder")
                with file:
                    state, body = state_of(stats), None
                    if state.size <= self.options.cached_file:
                        body, state = read_whole(file)
            except NotBeneath:
                watched.append((full + ENDINGS[coding], None))
                continue
            watched.append((full + ENDINGS[coding], state))
            found[coding] = (beside, state, body)
        return found

    def _codings_to_make(self, content_type: str, size: int, siblings: Mapping[str, object]) -> Sequence[str]:
        """What is made here, behind what is there already."""
        options = self.options
        compression = options.compression
        if compression is None or size < compression.minimum or not compression.takes(content_type):
            return ()
        if size > options.compressed_size or size > options.cache_size // 4:
            return ()  # there would be no room to keep it, and it would be made for each client
        return [coding for coding in compression.available() if coding not in siblings]

    def _representation(
        self,
        entry: Entry,
        coding: str,
        kind: bytes,
        state: FileState,
        tag: str,
        fields: Fields,
        names: tuple[str, ...] | None,
        body: bytes | None,
    ) -> Representation:
        """One form of a file; without names its bytes are still to be made."""
        modified = state.modified_ns // 10**9
        more: Fields = [*validators_of(tag, modified), *fields, *self.more]
        if names is not None:
            more.append((b"accept-ranges", b"bytes"))
        known = entry.known[coding] = ContentType(kind, more)

        def reopen() -> tuple[io.FileIO, FileState]:
            assert names is not None
            file, found = open_beneath(self.root, names)
            if file is None or state_of(found) != state:
                if file is not None:
                    file.close()
                raise NotBeneath(f"{names[-1]!r} is another file than it was")
            return file, state

        opening = reopen if names is not None and body is None else None
        return Representation(known.fields, tag, modified, state.size, body=body, open=opening)


def _look(path: str) -> FileState | None:
    """How a file is; None where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return state_of(found) if stat.S_ISREG(found.st_mode) else None
