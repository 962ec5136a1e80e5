"""This module reads the statements of claims.yml: what the sources say, with rules and controls fixed in advance."""

import difflib
import functools
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from resnet_lib.evidence import markup, texts
from resnet_lib.evidence.rules import Rule
from resnet_lib.sweep.agreement import Agreement

PRESETS = ("quick", "full")


def _parsed_by(parse: Callable[[str], object]) -> AfterValidator:
    def validate(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(validate)


SLUG = r"[a-z0-9]+(?:-[a-z0-9]+)*"
Slug = Annotated[str, StringConstraints(pattern=f"^{SLUG}$")]


def _plain(text: str) -> str:
    """Refuse marks of Markdown, which the pages would print as they are: in the ledger a text has formulas alone."""
    if "`" in text:
        raise ValueError(f"{text!r} has a backtick, and code is not set here; name things in words")
    return text


Prose = Annotated[
    str,
    StringConstraints(min_length=1, strip_whitespace=True),
    _parsed_by(markup.prose),
    AfterValidator(_plain),
]
RuleText = Annotated[str, _parsed_by(Rule.parse)]
LEANING = (
    *("It", "They", "That", "This", "These", "Those", "Its", "Their", "Such", "The same", "So", "Nor", "And", "Even"),
    *("Neither", "There", "Here", "Either"),
)
"""Words with which a sentence leans on the one before."""
WORDS = 25
"""A reader takes in so many at a glance: the most that `when` may have."""


def _alone(text: str) -> str:
    """Refuse a sentence, or a phrase, that says nothing without the one before it."""
    if found := re.match(rf"(?:{'|'.join(LEANING)})\b", text[:1].upper() + text[1:]):
        raise ValueError(f"{text!r} begins with {found[0]!r}, and has to stand alone; name what is meant")
    return text


def _brief(text: str) -> str:
    if (n := len(re.sub(r"\$[^$]*\$", "x", text).split())) > WORDS:
        raise ValueError(f"{text!r} has {n} words; say it in at most {WORDS}")
    return text


Alone = Annotated[Prose, AfterValidator(_alone)]
When = Annotated[Prose, AfterValidator(_brief)]


class LedgerPart(BaseModel):
    """A part of claims.yml: frozen, typed strictly, without fields of one's own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Control(LedgerPart):
    """The same measurement where the answer is known beforehand, and the rule that says so.

    Its values agree between machines as those of its claim do, unless `agrees` says otherwise.
    """

    measure: Alone
    must: RuleText
    agrees: Agreement | None = None

    @property
    def contract(self) -> dict[str, str]:
        """The words that a record of the claim has to hold, or it is that of an older rule."""
        return {"measure": self.measure, "must": self.must}


Role = Literal["as-said", "condition", "law", "foil"]
"""Whose claim it is, as CONTRIBUTING.md (Add a claim) says; only those `as-said` decide about their statement."""
Kind = Literal["theorem", "drawn", "trained", "published"]
"""What is measured: an identity or bound, random matrices and untrained networks, trained ones, or those of others."""
PUBLISHED = "published-networks"
"""The chapter that judges claims of the kind `published`, whichever chapter has their statement."""
Outcome = Literal["holds", "fails", "open"]
"""What is defended: a verdict, or, `open`, that this book does not decide the claim and no outcome is an error."""


class Claim(LedgerPart):
    """An atomic claim: one measurement, one rule, one control. Its id is the statement's, a dot, and a name.

    Its sentence stands alone. Its `role` says whether the sources say so (`as-said`) or the book adds it: the same
    under a restriction that no source names (`condition`), a formula behind it (`law`), what nobody says (`foil`).

    The tests defend the verdict `expected`; that of FULL is `expected_full` where it is another, for many seeds decide
    what few leave open. A claim whose sample could come out either way is `open`: it counts as undecided, whatever one
    run says. `agrees` says how its values agree between machines where the experiment's own word does not fit.
    """

    id: Annotated[str, StringConstraints(pattern=rf"^{SLUG}(?:\.{SLUG})?$")]
    statement: Alone
    role: Role
    kind: Kind
    measure: Alone
    holds_if: RuleText
    control: Control
    expected: Outcome
    expected_full: Outcome | None = None
    agrees: Agreement | None = None

    def expects(self, preset: str) -> Outcome:
        """The expected verdict of `quick` or `full`."""
        return self.expected_full or self.expected if preset == "full" else self.expected

    @property
    def words(self) -> dict[str, str]:
        """What a record of the claim tells, and what decides about nothing."""
        return {"statement": self.statement, "role": self.role, "kind": self.kind, "measure": self.measure}

    @property
    def expectation(self) -> str:
        """Both in words: `holds`, or `open (FULL: holds)`."""
        full = self.expects("full")
        return self.expected if full == self.expected else f"{self.expected} (FULL: {full})"


class Statement(LedgerPart):
    """A statement of the sources, split into atomic claims, and in one sentence when it is true, as the book found.

    Its `places` say of sources without numbered sections what the passage is about that makes it.
    """

    id: Slug
    chapter: Slug
    title: Prose
    statement: Prose
    sources: Annotated[list[str], Field(min_length=1)]
    places: dict[str, Prose] = {}
    when: When
    claims: Annotated[list[Claim], Field(min_length=1)]


@dataclass(frozen=True)
class Ledger:
    """All statements of a claims.yml, in its order."""

    statements: tuple[Statement, ...]

    @property
    def claims(self) -> dict[str, Claim]:
        """Every atomic claim by its id."""
        return {claim.id: claim for statement in self.statements for claim in statement.claims}

    def claim(self, id: str) -> Claim:
        """The atomic claim of that id.

        Raises:
            ValueError: There is none; the message lists the closest.
        """
        claims = self.claims
        if id not in claims:
            close = difflib.get_close_matches(id, claims, cutoff=0.5) or list(claims)[:3]
            raise ValueError(
                f"id={id!r} is not in claims.yml; close are {', '.join(close)}; a new claim is written there first"
            )
        return claims[id]


def load(path: Path) -> Ledger:
    """The ledger in a file like claims.yml.

    Raises:
        ValueError: It is no such file; the message names the statement, claim and field of each fault.
    """
    if not path.is_file():
        texts.read(path)  # says what is there instead
    status = path.stat()  # asked for many times by a notebook, and read again where it has changed
    return _load(path, status.st_mtime_ns, status.st_size)


class _Loader(yaml.SafeLoader):
    """YAML without its trap: of a key given twice, it silently takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]  # type: ignore[no-untyped-call]
        for i, (key, (place, _)) in enumerate(zip(keys, node.value, strict=True)):
            if not isinstance(key, str) or key in keys[:i]:
                said = f"{key} is given twice" if isinstance(key, str) else f"the key {key!r} is no text"
                raise yaml.constructor.ConstructorError(None, None, said, place.start_mark)
        return super().construct_mapping(node, deep)


@functools.lru_cache(maxsize=8)
def _load(path: Path, modified: int, size: int) -> Ledger:
    text = texts.read(path)
    try:
        raw = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}," if mark else ""
        raise ValueError(f"{path}{place} is no YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = texts.line_of(text, error.position)
        raise ValueError(
            f"{path}, line {line}, is no YAML: the character {error.character!r} is not allowed"
        ) from error
    except Exception as error:  # what a value under a tag is made of raises half a dozen kinds
        raise ValueError(
            f"{path} is no YAML: {error} ({type(error).__name__}); quote the value that is meant"
        ) from error
    try:
        statements = tuple(TypeAdapter(list[Statement]).validate_python(raw))
        faults = list(_inconsistent(statements))
    except ValidationError as error:
        faults = [f"{_place(raw, fault['loc'])}: {fault['msg']}" for fault in error.errors()]
    if faults:
        raise ValueError(f"{path} is not as CONTRIBUTING.md (Add a claim) has it:\n  " + "\n  ".join(faults))
    return Ledger(statements)


def _place(raw: Any, path: tuple[int | str, ...]) -> str:
    """A fault's place in words: `statement eig-shift, claim eig-shift.values, control.must`."""
    words = []
    for kind in ("statement", "claim"):
        if not path or not isinstance(path[0], int):
            break
        raw = raw[path[0]]
        words.append(f"{kind} {raw['id'] if isinstance(raw, dict) and 'id' in raw else f'number {path[0] + 1}'}")
        path = path[1:]
        if path[:1] == ("claims",) and len(path) > 1:
            raw, path = raw["claims"], path[1:]
    field = ".".join(map(str, path))
    return ", ".join([*words, field] if field else words) or "the file"


def _inconsistent(statements: tuple[Statement, ...]) -> Iterator[str]:
    ids = [statement.id for statement in statements], [claim.id for s in statements for claim in s.claims]
    for kind, names in zip(("statement", "claim"), ids, strict=True):
        for name, count in Counter(names).items():
            if count > 1:
                yield f"{kind} {name}, id: given {count} times; an id is never used again"
    for statement in statements:
        for key in sorted(set(statement.places) - set(statement.sources)):
            yield f"statement {statement.id}, places: {key} is none of its sources, {', '.join(statement.sources)}"
        for claim in statement.claims:
            if claim.id.partition(".")[0] != statement.id:
                yield f"statement {statement.id}, claim {claim.id}, id: must begin with {statement.id}"
        if all(claim.role != "as-said" for claim in statement.claims):
            yield f"statement {statement.id}, claims: none has role: as-said; what the sources say is what decides"
