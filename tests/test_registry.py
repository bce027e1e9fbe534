from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import zoo
from zoo.entry import Entry, File, License, Source
from zoo.errors import HubError, RegistryError, TaskError, UnknownModelError, UsageError, ZooWarning
from zoo.registry import Registry, load_registry, packaged_path, resolve
from zoo.registry.checking import check
from zoo.registry.fields import schema
from zoo.registry.locking import lock
from zoo.registry.reading import Items, Leaf, Node, Report, parse

ROOT = Path(__file__).parent.parent
SHA256 = "0123456789abcdef" * 4
COMMIT = "0123456789abcdef0123456789abcdef01234567"

MODEL = """\
schema: 1
models:
  some-bert:
    architecture: bert
    source: hf:org/repo
    tasks: [fill-mask]
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and no plugin of this environment."""
    for name in ("ZOO_REGISTRY", "ZOO_DISABLE_PLUGINS", "ZOO_LOAD_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def registry_of(text: str, home: Path) -> Registry:
    return load_registry([write(home / "registry.yaml", text)])


def messages(text: str, home: Path) -> list[str]:
    path = write(home / "registry.yaml", text)
    return [str(problem).removeprefix(f"{home}{os.sep}") for problem in check(path)]


def plain(node: Node) -> object:
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    return {key: plain(value) for key, (_, value) in node.rows.items()}


def schema_accepts(text: str) -> bool:
    root = parse(text, Report(""))
    assert root is not None
    return bool(jsonschema.Draft202012Validator(schema()).is_valid(plain(root)))


# ---- a file and its mistakes ----


def test_every_field_reaches_the_entry(home: Path) -> None:
    text = f"""\
schema: 1
models:
  some-bert:
    summary: "A Bert"
    architecture: bert
    source: hf:org/repo
    revision: {COMMIT}
    files:
      - {{path: 1_Pooling/config.json, size: 0, sha256: {SHA256}}}
    tasks: [fill-mask, feature-extraction]
    license: {{id: mit, url: https://example.org/l, commercial: true, gated: true}}
    parameters: 12
    languages: [en, no]
    max_length: 512
    aliases: [sb]
    tags: [small]
    paper: https://arxiv.org/abs/1810.04805
    checkpoint: {{activation: gelu, norm_eps: 1.0e-12, normalize: true, layers: 2}}
    reported:
      - {{benchmark: b, metric: m, value: 90, unit: "%", source: s, protocol: p}}
    status: deprecated
    replaced_by: other
"""
    assert messages(text, home) == []
    assert schema_accepts(text)

    entry = registry_of(text, home).find("sb")

    assert entry.name == "some-bert"
    assert entry.source == Source("hf", "org/repo", COMMIT)
    assert entry.files == (File("1_Pooling/config.json", 0, SHA256),)
    assert entry.license == License("mit", "https://example.org/l", commercial=True, gated=True)
    assert entry.languages == ("en", "no")  # the language, not False
    assert entry.checkpoint == {
        "activation": "gelu",
        "norm_eps": 1e-12,
        "normalize": True,
        "layers": 2,
    }
    assert (entry.reported[0].value, entry.reported[0].unit) == (90.0, "%")
    assert (entry.status, entry.replaced_by) == ("deprecated", "other")
    assert str(entry.origin) == f"{home / 'registry.yaml'}:3"


def entry_with(line: str) -> str:
    """MODEL with one more line, the seventh, or with the line of that key replaced."""
    key = line.strip().partition(":")[0]
    kept = [old for old in MODEL.splitlines() if not old.strip().startswith(f"{key}:")]
    return "\n".join([*kept, f"    {line}", ""])


FIELD_MISTAKES = {
    "architekture: bert": "7: models.some-bert has an unknown key 'architekture'; did you mean "
    "'architecture'?",
    "licence: mit": "7: models.some-bert has an unknown key 'licence'; did you mean 'license'?",
    "license: 1.10": "7: models.some-bert.license must be a licence identifier such as "
    'apache-2.0, came the number 1.10; write it in quotes: "1.10"',
    "license: {id: mit, free: true}": "7: models.some-bert.license has an unknown key 'free'; "
    "known are id, url, commercial, gated",
    "license: {url: https://x.org}": "7: models.some-bert.license lacks 'id'",
    "license: {id: mit, commercial: yes}": "7: models.some-bert.license.commercial must be true "
    "or false, came 'yes'",
    "summary: 0123456": "7: models.some-bert.summary must be text, came the number 0123456; "
    'write it in quotes: "0123456"',
    "summary: true": "7: models.some-bert.summary must be text, came the boolean true; "
    'write it in quotes: "true"',
    "summary:": "7: models.some-bert.summary must be text, came nothing",
    'summary: ""': "7: models.some-bert.summary must be text, came ''",
    "summary: [a]": "7: models.some-bert.summary must be text, came a list",
    r'summary: "\e[31mred"': "7: models.some-bert.summary holds a control character: "
    r"'\x1b[31mred'",
    "revision: main": "7: models.some-bert.revision must be a commit of 40 lower-case hex digits, "
    "came 'main'",
    "revision: 1234567": "7: models.some-bert.revision must be a commit of 40 lower-case hex "
    "digits, came '1234567'",
    "parameters: 1.5": "7: models.some-bert.parameters must be a whole number from 1, came the "
    "number 1.5",
    "parameters: 110_000": "7: models.some-bert.parameters must be a whole number from 1, came "
    "'110_000'",
    "parameters: 0": "7: models.some-bert.parameters must be a whole number from 1, came the "
    "number 0",
    "max_length: 12:30:45": "7: models.some-bert.max_length must be a whole number from 1, came "
    "'12:30:45'",
    "languages: en": "7: models.some-bert.languages must be a list, came 'en'",
    "languages: [en, en]": "7: models.some-bert.languages holds 'en' twice",
    "languages: [English]": "7: models.some-bert.languages[0] must be a language tag such as "
    "\"en\", or multilingual, came 'English'",
    "aliases: [Bert]": "7: models.some-bert.aliases[0] must be a name of a-z, 0-9, '.', '_' and "
    "'-', came 'Bert'",
    "paper: arXiv 1810.04805": "7: models.some-bert.paper must be a URL, https://…, came "
    "'arXiv 1810.04805'",
    "checkpoint: {norm_eps: }": "7: models.some-bert.checkpoint.norm_eps must be text, a "
    "number, true or false, came nothing",
    "checkpoint: {Norm: 1}": "7: a key of models.some-bert.checkpoint must be a name of a-z, 0-9 "
    "and '_', came 'Norm'",
    "reported: [{benchmark: b, metric: m, value: 1}]": "7: models.some-bert.reported[0] lacks "
    "'source', 'protocol'",
    "reported: [{benchmark: b, metric: m, value: 90 %, source: s, protocol: p}]": "7: "
    "models.some-bert.reported[0].value must be a number, came '90 %'",
    "status: old": "7: models.some-bert.status must be stable, experimental or deprecated, came "
    "'old'",
    "replaced_by: other": "7: models.some-bert.replaced_by needs status: deprecated",
    f"files: [{{path: a, size: 1, sha256: {SHA256}}}]": "7: models.some-bert.files are pinned "
    "without a revision; add the revision",
    "files: [{path: a, size: 1, sha256: abc}]": "7: models.some-bert.files[0].sha256 must be a "
    "sha256 of 64 lower-case hex digits, came 'abc'",
    f"files: [{{path: ../a, size: 1, sha256: {SHA256}}}]": "7: models.some-bert.files[0].path "
    "must be a path inside the repository, came '../a'",
    "files: []": "7: models.some-bert.files must not be an empty list",
    "tasks: []": "6: models.some-bert.tasks must not be an empty list",
    "tasks: [Fill Mask]": "6: models.some-bert.tasks[0] must be a task tag such as fill-mask, "
    "came 'Fill Mask'",
    'tasks: [""]': "6: models.some-bert.tasks[0] must be a task tag such as fill-mask, came ''",
}
SOURCES = [
    "org/repo",
    "./folder",
    "/folder",
    "~/folder",
    "file:///folder",
    "hf:repo",
    "hf:org/repo@main",
    "hf:org/../repo",
    "hf:org/re--po",
    "hf:org/repo.git",
    "hf:-org/repo",
    "hf:org/repo/folder",
    "timm:resnet50",
    "bundled:package",
    "bundled:package/../other",
    "bundled:/etc",
]


@pytest.mark.parametrize(("line", "message"), FIELD_MISTAKES.items())
def test_a_mistake_in_a_field_is_told_with_its_line_and_fails_the_schema_too(
    line: str, message: str, home: Path
) -> None:
    text = entry_with(line)

    assert f"registry.yaml:{message}" in messages(text, home)
    assert not schema_accepts(text)


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_is_a_repository_or_a_bundled_folder_and_nothing_else(
    source: str, home: Path
) -> None:
    text = entry_with(f"source: {source}")

    assert messages(text, home) == [
        "registry.yaml:6: models.some-bert.source must be hf:org/repo or bundled:package/folder, "
        f"came {source!r}"
    ]
    assert not schema_accepts(text)


FILE_MISTAKES = {
    "": "1: a registry file is a mapping with schema and models, came nothing",
    "- a\n": "1: a registry file is a mapping with schema and models, came a list",
    "models: {}\n": "1: the file lacks 'schema'",
    "schema: 1\n": "1: the file lacks 'models'",
    "schema: one\nmodels: {}\n": "1: schema must be a whole number from 1, came 'one'",
    "schema: 1\nmodels:\n": "2: models must be a mapping, came nothing",
    "schema: 1\nmodels: [a]\n": "2: models must be a mapping, came a list",
    "schema: 1\nmodels: {}\nmodel: {}\n": "3: the file has an unknown key 'model'; did you mean "
    "'models'?",
    "schema: 1\nmodels:\n  a: bert\n": "3: models.a must be a mapping, came 'bert'",
    "schema: 1\nmodels:\n  a: {}\n": "3: models.a lacks 'architecture', 'source', 'tasks'",
    MODEL.replace("some-bert", "Some_Bert!"): "3: a key of models must be a name of a-z, 0-9, "
    "'.', '_' and '-', came 'Some_Bert!'",
}
MISTAKES_BEYOND_A_SCHEMA = {
    MODEL.replace("some-bert", "1.10"): "3: a key of models must be a name of a-z, 0-9, '.', '_' "
    "and '-', came the number 1.10; write it in quotes: \"1.10\"",
    MODEL + "    tasks: [fill-mask]\n": "7: the key 'tasks' stands here a second time, first in "
    "line 6",
    MODEL + MODEL.partition("models:\n")[2]: "7: the key 'some-bert' stands here a second time, "
    "first in line 3",
    MODEL + "    aliases: [some-bert]\n": "7: models.some-bert: the alias 'some-bert' is taken by "
    "the model in line 3",
    MODEL
    + "    aliases: [x]\n"
    + MODEL.partition("models:\n")[2].replace("some", "other")
    + "    aliases: [x]\n": "12: models.other-bert: the alias 'x' is taken by an alias of "
    "'some-bert', line 3",
    f"{MODEL}    revision: {COMMIT}\n    files:\n"
    f"      - {{path: a, size: 1, sha256: {SHA256}}}\n"
    f"      - {{path: a, size: 2, sha256: {SHA256}}}\n": "8: models.some-bert.files holds the path "
    "'a' twice",
    # JSON has no infinity, and to a schema 110e6 is an integer.
    MODEL + "    checkpoint: {norm_eps: .inf}\n": "7: models.some-bert.checkpoint.norm_eps must be "
    "text, a number, true or false, came the number .inf",
    MODEL + "    parameters: 110e6\n": "7: models.some-bert.parameters must be a whole number from "
    "1, came the number 110e6",
    "schema: 1\nmodels: &m {}\n": "2: YAML anchors and aliases are not allowed; write the value "
    "out",
    "schema: 1\nmodels: *m\n": "2: YAML anchors and aliases are not allowed; write the value out",
    "schema: 1\nmodels: !!python/object:os.system {}\n": "2: the YAML tag "
    "'tag:yaml.org,2002:python/object:os.system' is not allowed",
    "schema: 1\nmodels: {}\n---\nschema: 1\n": "3: a registry file holds one YAML document",
    "schema: 1\nmodels: {[a]: b}\n": "2: a key must be text, not a list or a mapping",
    "schema: 1\nmodels: {\n": "3: is not YAML: did not find expected node content",
    "schema: 1\n\tmodels: {}\n": "2: is not YAML: found a tab character that violates indentation",
    "schema: 1\nmodels: " + "[" * 100: "2: more than 16 levels of nesting; none needs so many",
    "schema: 2\nanything: goes\n": " schema 2 is newer than 1, which this zoo reads; upgrade zoo",
}


@pytest.mark.parametrize(("text", "message"), FILE_MISTAKES.items())
def test_a_mistake_of_a_file_is_told_with_its_line_and_fails_the_schema_too(
    text: str, message: str, home: Path
) -> None:
    assert f"registry.yaml:{message}" in messages(text, home)
    root = parse(text, Report(""))
    assert root is None or not schema_accepts(text)


@pytest.mark.parametrize(("text", "message"), MISTAKES_BEYOND_A_SCHEMA.items())
def test_a_mistake_that_a_schema_cannot_see_is_told_with_its_line(
    text: str, message: str, home: Path
) -> None:
    assert f"registry.yaml:{message}" in messages(text, home)


def test_a_bundled_source_has_no_revision(home: Path) -> None:
    text = entry_with("source: bundled:zoo_bert/tiny") + f"    revision: {COMMIT}\n"

    assert messages(text, home) == [
        "registry.yaml:7: models.some-bert.revision belongs to hf: sources only; remove it"
    ]
    assert not schema_accepts(text)


def test_all_mistakes_of_a_file_are_found_in_one_go_and_loading_counts_them(home: Path) -> None:
    text = MODEL + "    sumary: x\n    parameters: many\n    status: old\n"

    assert [problem.line for problem in check(write(home / "r.yaml", text))] == [7, 8, 9]
    with pytest.raises(
        RegistryError, match=r"r\.yaml:7: .*sumary.* \(and 2 more: `zoo registry ch"
    ):
        load_registry([home / "r.yaml"])


def test_digits_alone_stay_text_where_a_checksum_is_due(home: Path) -> None:
    digits = "1234567890" * 4
    text = MODEL + f"    revision: {digits}\n"

    assert registry_of(text, home).find("some-bert").source.revision == digits


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"schema: 1\n\xff", ":2: is not UTF-8: byte 0xff; save the file as UTF-8"),
        (b"a" * (4 * 2**20 + 1), ": is larger than the 4,194,304 bytes a registry file may have"),
        (b"a:\n  \x00", r":2: is not YAML: the character '\x00' is not allowed"),
    ],
)
def test_bytes_that_are_no_registry_are_refused(data: bytes, message: str, home: Path) -> None:
    (home / "bytes.yaml").write_bytes(data)

    assert message in str(check(home / "bytes.yaml")[0])


def test_a_file_that_cannot_be_read_is_one_problem(home: Path) -> None:
    assert messages_of(home / "none.yaml") == ["cannot be read: No such file or directory"]
    assert messages_of(home) == ["cannot be read: Is a directory"]


def messages_of(path: Path) -> list[str]:
    return [problem.message for problem in check(path)]


def test_a_laughing_file_costs_nothing(home: Path) -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{new}: &{new} [*{old}, *{old}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    deep = "schema: 1\nmodels: " + "{a: " * 100_000

    begin = time.perf_counter()
    assert "anchors" in messages(bomb, home)[0]
    assert "levels" in messages(deep, home)[0]
    assert time.perf_counter() - begin < 2  # seconds; it takes milliseconds


def test_a_long_list_is_read_in_a_time_that_grows_with_its_length(home: Path) -> None:
    tags = ", ".join(f"t{number}" for number in range(30_000))

    begin = time.perf_counter()
    assert messages(MODEL + f"    tags: [{tags}]\n", home) == []
    assert time.perf_counter() - begin < 5  # seconds; comparing each with each took 35


@given(st.text(alphabet=st.sampled_from("ab1.-:[]{}&*!|>'\"#\n \t%@`,?~é\x85\u2028"), max_size=60))
def test_no_text_makes_the_reader_crash(text: str) -> None:
    from zoo.registry.fields import read_document

    for candidate in (text, entry_with(text), MODEL.replace("bert\n", text)):
        report = Report("")
        root = parse(candidate, report)
        if root is not None:
            read_document(root, report)


def test_without_libyaml_the_same_is_read_at_the_same_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = (ROOT / "registry.yaml").read_text(encoding="utf-8")
    fast = parse(text, Report(""))

    monkeypatch.delattr(yaml, "CSafeLoader")

    assert parse(text, Report("")) == fast


# ---- layers ----


OTHER = MODEL.replace("some-bert", "bert-base-uncased").replace("org/repo", "mine/bert")


def test_a_higher_layer_replaces_only_what_it_says_it_overrides(home: Path) -> None:
    mine = write(home / "mine.yaml", OTHER)

    with pytest.raises(RegistryError) as error:
        load_registry([mine])
    packaged = load_registry().find("bert-base-uncased").origin
    assert str(error.value) == (
        f"{mine}:3: 'bert-base-uncased' is already defined in {packaged}; write override: true to "
        "replace it, or choose another name"
    )

    write(mine, OTHER + "    override: true\n")
    assert load_registry([mine]).find("bert-base-uncased").source.location == "mine/bert"


def test_an_entry_that_overrides_gives_up_the_aliases_of_the_old(home: Path) -> None:
    text = MODEL.replace("some-bert", "all-minilm-l6-v2") + "    override: true\n"

    with pytest.raises(UnknownModelError):
        registry_of(text, home).find("minilm")


def test_an_alias_never_hides_another_entry(home: Path) -> None:
    text = MODEL + "    aliases: [roberta-base]\n    override: true\n"

    with pytest.raises(RegistryError, match="cannot be called 'roberta-base': that is 'roberta-b"):
        registry_of(text, home)


def test_layers_rank_packaged_user_environment_option(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def layer(path: Path, organisation: str) -> Path:
        return write(path, MODEL.replace("org/", f"{organisation}/") + "    override: true\n")

    def found() -> tuple[str, str]:
        entry = load_registry(extra).find("some-bert")
        return entry.origin.layer, entry.source.location

    extra: list[Path] = []
    layer(home / "config" / "zoo" / "registry.yaml", "user")
    assert found() == ("user", "user/repo")
    paths = [layer(home / f"{name}.yaml", name) for name in ("first", "second")]
    monkeypatch.setenv("ZOO_REGISTRY", os.pathsep.join(map(str, paths)))
    assert found() == ("environment", "second/repo")
    extra.append(layer(home / "option.yaml", "option"))
    assert found() == ("option", "option/repo")


def test_one_file_in_two_layers_is_no_clash(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(home / "mine.yaml", MODEL)
    monkeypatch.setenv("ZOO_REGISTRY", str(path))

    assert load_registry([path, packaged_path()]).find("some-bert").origin.layer == "environment"


def test_a_file_the_user_named_must_be_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_REGISTRY", str(home / "gone.yaml"))

    with pytest.raises(RegistryError, match=r"gone\.yaml: cannot be read: No such file"):
        load_registry()


def test_a_layer_of_a_newer_format_is_left_out_with_a_warning(home: Path) -> None:
    newer = write(home / "newer.yaml", "schema: 2\nmodels: []\n")

    with pytest.warns(ZooWarning, match=r"newer\.yaml: left out: schema 2 is newer than 1"):
        assert len(load_registry([newer])) == len(load_registry())


@pytest.fixture
def install(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that installs a plugin whose code must not be imported."""
    site = home / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(name: str, text: str, *, value: str | None = None) -> Path:
        write(site / name / "__init__.py", "raise SystemExit('imported')\n")
        write(
            site / f"{name}-1.2.dist-info" / "entry_points.txt",
            f"[zoo.registries]\n{name} = {value or f'{name}:registry.yaml'}\n",
        )
        return write(site / name / "registry.yaml", text)

    return install


def test_a_plugin_brings_entries_without_being_imported(install: Callable[..., Path]) -> None:
    path = install("acme", entry_with("source: bundled:acme/tiny"))

    registry = load_registry()

    assert registry.problems == ()
    assert registry.find("some-bert").origin.distribution == "acme 1.2"
    assert registry.find("some-bert").origin.file == str(path)


@pytest.mark.parametrize("variable", ["ZOO_DISABLE_PLUGINS", "ZOO_LOAD_PLUGINS"])
def test_a_plugin_can_be_switched_off(
    variable: str, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme", MODEL)
    monkeypatch.setenv(variable, "acme" if variable == "ZOO_DISABLE_PLUGINS" else "other")

    with pytest.raises(UnknownModelError):
        load_registry().find("some-bert")


@pytest.mark.parametrize(
    ("text", "value", "problem"),
    [
        ("schema: 1\nmodels: [", None, "acme/registry.yaml:3: is not YAML"),
        (OTHER, None, "'bert-base-uncased' is already defined in"),
        (entry_with("source: bundled:zoo_bert/tiny"), None, "outside its own package 'acme'"),
        (MODEL, "acme:none.yaml", "the package has no file 'none.yaml'"),
        (MODEL, "acme:../registry.yaml", "expected package:registry.yaml"),
        (MODEL, "acme.sub:registry.yaml", "expected package:registry.yaml"),
        (MODEL, "acme", "expected package:registry.yaml"),
        (MODEL, "acme_gone:registry.yaml", "there is no package 'acme_gone'"),
    ],
)
def test_a_broken_plugin_is_a_problem_and_the_rest_works(
    text: str, value: str | None, problem: str, install: Callable[..., Path]
) -> None:
    install("acme", text, value=value)

    registry = load_registry()

    assert len(registry.problems) == 1
    assert registry.problems[0].startswith("plugin 'acme 1.2': ")
    assert problem in registry.problems[0].replace(os.sep, "/")
    assert registry.find("bert-base-uncased").origin.layer == "packaged"


def test_a_name_that_two_plugins_claim_is_an_error_for_that_name_alone(
    install: Callable[..., Path], home: Path
) -> None:
    more = MODEL.partition("models:\n")[2]
    install("acme", MODEL + more.replace("some-bert", "acme-bert"))
    install("emca", MODEL + more.replace("some-bert", "emca-bert"))

    registry = load_registry()

    assert len(registry.problems) == 1
    assert registry.find("acme-bert").name == "acme-bert"
    assert "some-bert" not in {entry.name for entry in registry}
    with pytest.raises(RegistryError) as error:
        registry.find("some-bert")
    assert "'acme 1.2'" in str(error.value)
    assert "'emca 1.2'" in str(error.value)

    settled = registry_of(MODEL, home)
    assert settled.problems == ()
    assert settled.find("some-bert").origin.layer == "option"


def test_an_alias_that_two_plugins_claim_leads_nowhere_and_their_names_work(
    install: Callable[..., Path],
) -> None:
    alias = "    aliases: [shared]\n"
    install("acme", MODEL.replace("some-bert", "acme-bert") + alias)
    install("emca", MODEL.replace("some-bert", "emca-bert") + alias)

    registry = load_registry()

    assert len(registry.problems) == 1
    assert registry.find("acme-bert").aliases == registry.find("emca-bert").aliases == ()
    with pytest.raises(RegistryError, match="'shared' is claimed by two plugins"):
        registry.find("shared")


def test_two_plugins_that_claim_a_packaged_name_are_told_and_do_not_get_it(
    install: Callable[..., Path],
) -> None:
    install("acme", OTHER)
    install("emca", OTHER + "    override: true\n")

    registry = load_registry()

    assert len(registry.problems) == 1
    assert registry.find("bert-base-uncased").origin.layer == "packaged"


# ---- the cache ----


def cached_files(home: Path) -> list[Path]:
    return list((home / "cache" / "zoo" / "registry").glob("*.json"))


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files written a moment ago count as settled: their ctime cannot be set back."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 60)


@pytest.mark.usefixtures("settled")
def test_what_was_read_is_kept_and_an_edit_is_seen(home: Path) -> None:
    first = registry_of(MODEL, home).find("some-bert")
    kept = [file for file in cached_files(home) if "some-bert" in file.read_text()]
    assert len(kept) == 1
    assert load_registry([home / "registry.yaml"]).find("some-bert") == first

    changed = registry_of(MODEL.replace("org/repo", "org/oper"), home).find(
        "some-bert"
    )  # same size
    assert changed.source.location == "org/oper"


@pytest.mark.usefixtures("settled")
def test_reading_from_the_cache_imports_no_yaml(home: Path) -> None:
    load_registry()
    assert cached_files(home)
    code = "import sys, time; now = time.time; time.time = lambda: now() + 60\n"
    code += "from zoo.registry import load_registry; assert len(load_registry())\n"
    code += "print([name for name in ('yaml', 'torch', 'difflib', 'zoo.registry.fields') "
    code += "if name in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert done.stdout.strip() == "[]"


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("damage", [b"", b"{", b"[]\n[]", b"\xff\xfe\n\x00"])
def test_a_damaged_cache_is_read_past(damage: bytes, home: Path) -> None:
    before = registry_of(MODEL, home).find("some-bert")
    for file in cached_files(home):
        file.write_bytes(damage)

    assert load_registry([home / "registry.yaml"]).find("some-bert") == before


@pytest.mark.usefixtures("settled")
def test_one_changed_byte_in_the_cache_is_noticed(home: Path) -> None:
    registry_of(MODEL, home)
    for file in cached_files(home):
        file.write_text(file.read_text().replace("hf:org/repo", "hf:bad/repo"))

    assert load_registry([home / "registry.yaml"]).find("some-bert").source.location == "org/repo"


@pytest.mark.usefixtures("settled")
def test_a_cache_that_cannot_be_written_is_no_trouble(home: Path) -> None:
    (home / "cache").write_text("a file where the folder should be")

    assert registry_of(MODEL, home).find("some-bert")


def test_a_file_changed_a_moment_ago_is_not_kept(home: Path) -> None:
    registry_of(MODEL, home)

    assert not [file for file in cached_files(home) if "some-bert" in file.read_text()]


# ---- lookup ----


def test_a_revision_replaces_the_pinned_one_and_drops_its_files(home: Path) -> None:
    pinned = MODEL + f"    revision: {COMMIT}\n    files:\n"
    pinned += f"      - {{path: a, size: 1, sha256: {SHA256}}}\n"
    registry = registry_of(pinned, home)
    entry = registry.find("some-bert")
    assert entry.files

    assert registry.find("some-bert@refs/pr/1") == replace(
        entry, source=Source("hf", "org/repo", "refs/pr/1"), files=()
    )
    for wrong in ("some-bert@", "some-bert@a b", "some-bert@../x", "some-bert@a..b"):
        with pytest.raises(UsageError, match="expected a branch, a tag or a commit"):
            registry.find(wrong)
    with pytest.raises(UsageError, match="has no revisions; use 'tiny-bert'"):
        registry.find("tiny-bert@main")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("clip-vit-b32", ["clip-vit-b-32"]),
        ("CLIP_ViT_B_32", ["clip-vit-b-32"]),
        ("bertbase", ["bert-base-cased", "bert-base-uncased"]),
        ("uncased-bert", ["bert-base-uncased"]),
        ("bert-base-uncsed", ["bert-base-uncased", "bert-base-cased"]),
        ("zzzzzzzz", []),
    ],
)
def test_an_unknown_name_suggests_what_may_be_meant(typed: str, meant: list[str]) -> None:
    registry = registry_with(
        "clip-vit-b-32", "clip-vit-l-14", "bert-base-cased", "bert-base-uncased"
    )

    assert registry.suggest(typed) == meant
    expected = f"did you mean {meant[0]!r}" if meant else "; `zoo list` shows all 4"
    with pytest.raises(UnknownModelError, match=f"no model named {typed!r}.*{expected}"):
        registry.find(typed)


def registry_with(*names: str) -> Registry:
    return Registry({name: Entry(name, "bert", Source("hf", "org/repo")) for name in names})


def test_an_alias_suggests_the_model_it_stands_for() -> None:
    entry = Entry("clip-vit-b-32", "clip", Source("hf", "org/repo"), aliases=("little-clip",))

    assert Registry({entry.name: entry}).suggest("littleclip") == ["clip-vit-b-32"]


def test_a_repository_typed_as_a_name_is_told_how_to_write_it() -> None:
    with pytest.raises(UnknownModelError, match="write 'hf:org/repo' for a repository of the hub"):
        registry_with("some-bert").find("org/repo")


def test_select_filters_and_sorts_as_people_count() -> None:
    base = Entry("", "bert", Source("hf", "org/repo"), tasks=("fill-mask",))
    entries = [
        replace(base, name="m-l12", languages=("en",), parameters=12, tags=("old",)),
        replace(base, name="m-l6", tasks=("rank",), license=License("MIT"), aliases=("six",)),
        replace(base, name="n-l2", architecture="gpt", languages=("en", "no"), parameters=2),
    ]
    registry = Registry({entry.name: entry for entry in entries})

    def names(selected: list[Entry]) -> list[str]:
        return [entry.name for entry in selected]

    assert names(registry.select()) == ["m-l6", "m-l12", "n-l2"]
    assert names(registry.select("M-*")) == ["m-l6", "m-l12"]
    assert names(registry.select("s?x")) == ["m-l6"]
    assert names(registry.select(task="rank")) == ["m-l6"]
    assert names(registry.select(language="no")) == ["n-l2"]
    assert names(registry.select(license="mi*")) == ["m-l6"]
    assert names(registry.select(architecture="gpt")) == ["n-l2"]
    assert names(registry.select(tag="old")) == ["m-l12"]
    assert names(registry.select(max_parameters=11)) == ["n-l2"]
    assert names(registry.select("m-*", language="en", task="fill-mask")) == ["m-l12"]
    with pytest.raises(TaskError, match="no model has the task 'fillmask'; there are fill-mask, r"):
        registry.select(task="fillmask")


def test_the_library_lists_by_every_filter_of_the_command() -> None:
    filters = inspect.signature(Registry.select).parameters.keys() - {"self"}

    assert filters | {"registries"} == inspect.signature(zoo.list_models).parameters.keys()
    small = zoo.list_models(tag="bundled", max_parameters=10_000_000)
    assert "tiny-bert" in [entry.name for entry in small]
    assert all("bundled" in each.tags and (each.parameters or 0) <= 10**7 for each in small)


def test_resolve_takes_names_repositories_and_folders(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))
    registry = registry_with("some-bert")

    assert resolve("some-bert", registry) is registry.find("some-bert")
    assert resolve("hf:org/repo").source == Source("hf", "org/repo")
    assert resolve("hf:org/repo@v1.0").source == Source("hf", "org/repo", "v1.0")
    assert resolve("./model").source == Source("folder", "model")
    assert resolve("../model").source == Source("folder", str(Path("../model")))
    assert resolve("/model").source == Source("folder", str(Path("/model")))
    assert resolve("~/model").source == Source("folder", str(home / "model"))
    assert resolve("~nobody-here").source == Source("folder", "~nobody-here")
    assert resolve("./model").architecture == ""


def test_a_folder_is_never_found_by_a_bare_name(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "some-bert").mkdir()
    monkeypatch.chdir(home)

    with pytest.raises(UnknownModelError):
        resolve("some-bert")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bundled:zoo_bert/tiny", "bundled models are called by their names"),
        (
            "https://huggingface.co/a/b",
            r"expected a name, hf:org/repo\[@revision\], timm:NAME or ./folder",
        ),
        ("hf:repo", "expected hf:org/repo, such as"),
        ("hf:org/../x", "expected hf:org/repo, such as"),
        ("hf:org/repo@", "expected a branch, a tag or a commit"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(text)


# ---- the schema and the packaged file ----


def test_the_packaged_registry_passes_both_checks() -> None:
    text = (ROOT / "registry.yaml").read_text(encoding="utf-8")

    assert check(ROOT / "registry.yaml") == []
    assert schema_accepts(text)


def test_the_packaged_entries_say_what_a_newcomer_asks() -> None:
    for entry in load_registry().entries.values():
        assert entry.summary, entry.name
        assert entry.license, entry.name
        sees = all("image" in task for task in entry.tasks)
        assert bool(entry.languages) != sees, entry.name
        assert len(entry.summary) <= 100, entry.name


def test_the_schema_for_editors_is_the_one_that_zoo_writes() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())

    written = (ROOT / "docs" / "registry.schema.json").read_text(encoding="utf-8")
    assert json.loads(written) == schema(), "zoo registry schema > docs/registry.schema.json"


# ---- lock ----


def facts(source: Source) -> tuple[str, tuple[File, ...]]:
    files = (File("config.json", 570, SHA256), File("1_Pooling/config.json", 190, SHA256))
    return source.revision or COMMIT, files


PINS = f"""\
    files:
      - {{path: "config.json", size: 570, sha256: "{SHA256}"}}
      - {{path: "1_Pooling/config.json", size: 190, sha256: "{SHA256}"}}
"""


def test_lock_adds_pins_and_leaves_every_other_byte(home: Path) -> None:
    before = """\
# a comment
schema: 1
models:

  some-bert:   # the first
    architecture: bert
    source:  'hf:org/repo'   # its home
    tasks: [fill-mask]
    # what follows is the next

  bundled-bert:
    architecture: bert
    source: bundled:zoo_bert/tiny
    tasks:
      - fill-mask
"""
    path = write(home / "registry.yaml", before)

    assert lock(path, fetch_facts=facts) == ["some-bert"]

    home_line = "    source:  'hf:org/repo'   # its home\n"
    pins = f'    revision: "{COMMIT}"\n{PINS}'
    assert path.read_text() == before.replace(home_line, home_line + pins)
    assert load_registry([path]).find("some-bert").files == facts(Source("hf", "a/b"))[1]
    assert lock(path, fetch_facts=facts) == []  # all is pinned
    assert list(home.glob("*registry*")) == [path]  # no temporary file stays


def test_lock_keeps_a_given_revision_and_asks_for_its_files(home: Path) -> None:
    path = write(home / "registry.yaml", MODEL + f"    revision: {COMMIT[::-1]}  # tested\n")

    assert lock(path, fetch_facts=facts) == ["some-bert"]

    assert path.read_text() == MODEL + f'    revision: "{COMMIT[::-1]}"  # tested\n' + PINS


def test_lock_pins_a_named_entry_anew(home: Path) -> None:
    old = f"    files:  # pinned\n    - path: a\n      size: 1\n      sha256: {SHA256}\n"
    old += f"    revision: {COMMIT[::-1]}\n    # the end\n    tags: [x]\n"
    path = write(home / "registry.yaml", MODEL + old)

    assert lock(path, names=["some-bert"], fetch_facts=facts) == ["some-bert"]

    new = PINS.replace("files:", "files:  # pinned")
    new += f'    revision: "{COMMIT}"\n    # the end\n    tags: [x]\n'
    assert path.read_text() == MODEL + new


def test_lock_keeps_line_ends_and_a_last_line_without_one(home: Path) -> None:
    lines = [*MODEL.splitlines()[:4], "    tasks: [fill-mask]", "    source: hf:org/repo"]
    path = home / "registry.yaml"
    path.write_bytes("\r\n".join(lines).encode())

    lock(path, fetch_facts=facts)

    expected = [*lines, f'    revision: "{COMMIT}"', *PINS.splitlines()]
    assert path.read_bytes().decode() == "\r\n".join(expected)


def test_lock_replaces_a_list_in_brackets(home: Path) -> None:
    flow = f"    files: [{{path: a, size: 1, sha256: {SHA256}}}]  # old\n"
    path = write(home / "registry.yaml", MODEL + f"    revision: {COMMIT}\n" + flow)

    lock(path, names=["some-bert"], fetch_facts=facts)

    assert check(path) == []
    assert load_registry([path]).find("some-bert").files == facts(Source("hf", "a/b"))[1]


def test_lock_refuses_what_it_cannot_do_and_leaves_the_file(home: Path) -> None:
    flow = "schema: 1\nmodels:\n  b: {architecture: bert, source: hf:o/r, tasks: [fill-mask]}\n"
    path = write(home / "registry.yaml", flow)
    with pytest.raises(RegistryError, match=r"registry\.yaml:3: 'b' is written in \{…\}"):
        lock(path, fetch_facts=facts)
    assert path.read_text() == flow

    write(path, MODEL)
    with pytest.raises(RegistryError, match="no entry with an hf: source is called 'other'"):
        lock(path, names=["other"], fetch_facts=facts)
    with pytest.raises(RegistryError, match=r"the hub's facts do not fit: .*revision must be"):
        lock(path, fetch_facts=lambda source: ("main", ()))
    assert path.read_text() == MODEL

    write(path, MODEL + "    licence: mit\n")
    with pytest.raises(RegistryError, match="unknown key 'licence'"):
        lock(path, fetch_facts=facts)


def test_lock_leaves_the_file_when_the_hub_fails(home: Path) -> None:
    def offline(source: Source) -> tuple[str, tuple[File, ...]]:
        raise HubError(f"{source}: offline")

    path = write(home / "registry.yaml", MODEL)

    with pytest.raises(HubError):
        lock(path, fetch_facts=offline)
    assert path.read_text() == MODEL


def test_lock_pins_the_whole_packaged_registry_and_nothing_else_changes(home: Path) -> None:
    path = write(home / "registry.yaml", (ROOT / "registry.yaml").read_text(encoding="utf-8"))
    before = {entry.name: entry for entry in load_registry()}
    # A line that some entries have already, and that the lock writes for the others.
    lines = [line for line in path.read_text().splitlines() if line != "    files:"]

    changed = lock(path, fetch_facts=facts)

    assert set(changed) == {
        name
        for name, entry in before.items()
        if entry.source.scheme == "hf" and not (entry.source.revision and entry.files)
    }
    kept = [line for line in path.read_text().splitlines() if line in set(lines)]
    assert kept == lines
