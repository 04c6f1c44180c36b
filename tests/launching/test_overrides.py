"""Overrides that nearly fit: taken as meant and said, or refused with the right spelling."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlc.config.errors import ConfigError
from mlc.config.option_types import declared_types, unwrapped
from mlc.config.options import check
from mlc.config.schema import GROUPS, ReportOptions
from mlc.decisions.base import DECISIONS
from mlc.launching.command import in_one_sentence, main
from mlc.launching.overrides import _options, advice, fitted
from mlc.training.loop import TrainerOptions
from tests.conftest import Command


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("data.labels=tags", "data.labels=[tags]"),
        ("data.separator=;", "data.separator=';'"),
        ("data.separator=、", "data.separator='、'"),
        ("data.separator=,", "data.separator=','"),
        ("data.separator= ", "data.separator=' '"),
        ("data.separator=';'", "data.separator=';'"),
        ("data.labels=a,b", "data.labels=[a,b]"),
        ("data.labels=[a,b]", "data.labels=[a,b]"),
        ("data.labels=['red, dark',größe]", "data.labels=['red, dark','größe']"),
        ('data.labels=["it\'s",größe]', r"data.labels=['it\'s','größe']"),
        ("backbone.widths=64", "backbone.widths=[64]"),
        ("backbone.widths='[64,32]'", "backbone.widths=[64,32]"),
        ("decisions=global", "decisions=[global]"),
        ("trainer.max_epochs=10.0", "trainer.max_epochs=10"),
        ("trainer.max_epochs=1e1", "trainer.max_epochs=10"),
        ("trainer.max_epochs=1.5", "trainer.max_epochs=1.5"),
        ("trainer.patience=None", "trainer.patience=null"),
        ("data.text='None'", "data.text='None'"),
        ("data.path=1.50", "data.path='1.50'"),
        ("data.text=true", "data.text='true'"),
        ("data.text=5", "data.text=5"),
        ("optimizer.lr='1e-3'", "optimizer.lr='1e-3'"),
        ("seed=0,1,2", "seed=0,1,2"),
        ("head=powerset", "head=powerset"),
        ("hydra.run.dir=1.50", "hydra.run.dir=1.50"),
        ("trainer.max_epochs=1.0,2.0", "trainer.max_epochs=1,2"),
        ("trainer.patience=None,3", "trainer.patience=null,3"),
        ("trainer.patience=none", "trainer.patience=null"),
        ("backbone.normalization=none", "backbone.normalization=none"),
        ("data.separator=none", "data.separator=none"),
        ("backbone.normalization=auto", "backbone.normalization=null"),
        ("backbone.widths=64.0,[", "backbone.widths=64.0,["),
        ("backbone.widths=[64.0, 32]", "backbone.widths=[64,32]"),
        ("data.labels=1e-3,TRUE", "data.labels=['1e-3','TRUE']"),
        ("data.labels=['1e-3',b]", "data.labels=['1e-3',b]"),
        ("data.labels=[]", "data.labels=[]"),
        ("data.title=1e-3", "data.title='1e-3'"),
        ("seed=range(3)", "seed=range(3)"),
        ("data.labels=[größe,a=b, #tag]", "data.labels=['größe','a=b','#tag']"),
        ("data.labels=[(p),{c},~t]", "data.labels=['(p)','{c}','~t']"),
        ("data.labels=[null,1.5]", "data.labels=['null',1.5]"),
        ("data.labels=[2nd,two words,a:b]", "data.labels=[2nd,two words,a:b]"),
        ("data.text=größe", "data.text='größe'"),
        ("data.text=null", "data.text=null"),
    ],
)
def test_what_is_meant(argument: str, meant: str) -> None:
    assert fitted(argument, is_sweep=False) == meant


@pytest.mark.parametrize(
    ("argument", "example"),
    [
        ("data.labels=[it's]", r'''"data.labels=['it\'s']"'''),
        ("data.labels=[[x]]", """"data.labels=['[x]']\""""),
        ("data.labels=[[x],b]", """"data.labels=['[x],b']\""""),
        ("data.labels=[a", """"data.labels=['[a']\""""),
        ('data.labels=[say "hi", b]', """'data.labels=['"'"'say "hi"'"'"',b]'"""),
        ("data.text=it's", r'''"data.text='it\'s'"'''),
        ("data.text=a=b,c", """"data.text='a=b,c'\""""),
        ("data.text=y z,w", """"data.text='y z,w'\""""),
    ],
)
def test_what_is_open_is_refused_with_the_quoted_form(argument: str, example: str) -> None:
    """The form that is shown is read as the names after the shell has read it."""
    with pytest.raises(ConfigError) as refused:
        fitted(argument, is_sweep=False)
    message = str(refused.value)
    assert example in message
    (word,) = shlex.split(example)
    value = OverridesParser.create().parse_override(fitted(word, is_sweep=False)).value()
    names = [argument.partition("=")[2]] if argument.startswith("data.text") else None
    assert names is None or [value] == names


def test_a_sweep_of_texts() -> None:
    assert fitted("data.title=TRUE,1_0", is_sweep=True) == "data.title='TRUE','1_0'"
    words = "backbone.normalization=none,batch"
    assert fitted(words, is_sweep=True) == words
    assert fitted("data.path='a,b',c", is_sweep=True) == "data.path='a,b',c"


def test_a_sweep_over_lists_is_no_list() -> None:
    assert fitted("data.labels=[a],[b]", is_sweep=True) == "data.labels=[a],[b]"
    message = r"write decisions=\[a,b\] .* or decisions=\[a\],\[b\] to sweep"
    with pytest.raises(ConfigError, match=message):
        fitted("decisions=a,b", is_sweep=True)


def test_a_truth_value_is_none_of_two() -> None:
    assert fitted("resume=1", is_sweep=False) == "resume=1"
    with pytest.raises(ConfigError, match="resume=2 is of the wrong type"):
        fitted("resume=2", is_sweep=False)


def test_every_list_option_takes_one_value() -> None:
    keys = {key for key, declared in _options() if unwrapped(declared)[1]}
    assert {"data.labels", "backbone.widths", "decisions", "optimizer.betas"} <= keys
    for key in keys:
        assert fitted(f"{key}=5", is_sweep=False) == f"{key}=[5]"


REFUSED = {
    "another place": ("lr=0.1", r"no key 'lr': did you mean optimizer\.lr\?"),
    "a letter": ("trainer.max_epoch=1", r"did you mean trainer\.max_epochs"),
    "another head": ("head.gamma=1", "head=sigmoid has no option gamma, which head=.*head=focal"),
    "a letter of another head": (
        "head.gama=2",
        r"head\.gama': head\.gamma is an option of .*head=focal.*; head=sigmoid has no options\.",
    ),
    "a name": ("head=sigmiod", r"head=sigmiod does not exist: did you mean sigmoid\?"),
    "an experiment": ("experiment=leage", r"did you mean league\?"),
    "text for a number": ("optimizer.lr=two", "lr=two is of the wrong type .*'two' is not a number"),
    "a fraction": ("trainer.max_epochs=1.5", "1.5' is not a whole number"),
    "digits": ("seed=" + "9" * 5000, "seed has 5000 characters"),
    "a rule": ("decisions=[gobal]", "did you mean global"),
    "dashes": ("trainer.max-epochs=1", r"did you mean trainer\.max_epochs"),
    "nothing": ("trainer.max_epochs=", "max_epochs= has no value: it must be a whole number"),
    "no list": ("data.labels=", "labels= has no value: it must be a list of texts"),
    "one list for several": (
        "decision.groups.groups=[0,1]",
        r"groups=\[0,1\] is of the wrong type: each of its values must be a list, as in \[\[0,1\]",
    ),
    "names for numbers": (
        "decision.groups.groups=[[red,blue]]",
        r"groups=.* is of the wrong type \(str\): 'red' is not a whole number",
    ),
    "fractions for numbers of labels": (
        "decision.groups.groups=[[0,1.5]]",
        r"groups=\[\[0,1.5\]\] is of the wrong type: it must be a list of lists of whole numbers",
    ),
    "null for lists": (
        "decision.groups.groups=[[0,1],null]",
        r"groups=\[\[0,1\],null\] is of the wrong type: it must be a list of lists of whole numbers",
    ),
    "a mapping for lists": (
        "decision.groups.groups={a:1}", "is of the wrong type: it must be a list of lists of whole"
    ),
    "null in a list": ("backbone.widths=[null]", "wrong type: it must be a list of whole numbers"),
    "null for a part": ("trainer=null", r"trainer=null is of the wrong type\."),
    "a key within a list": (
        "decisions.groups=[[0,1]]",
        r"'decisions\.groups': did you mean decision\.groups\.groups or head\.groups\? decisions is a"
        r" list of texts, and is given as a whole\.",
    ),
    "an item of a list": ("backbone.widths.0=5", "widths is a list of whole numbers or None, and is"),
    "a key within a number": ("seed.x=1", "seed is a whole number, and is given as a whole"),
    "a large seed": ("seed=1099511627776", "at most 4294967295"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_once(case: str, command: Command) -> None:
    override, message = REFUSED[case]
    ended = command(main, override, "hydra.run.dir=a")
    printed = ended.out + ended.error
    assert ended.status == 2
    assert len(re.findall(message, printed)) == 1, printed
    assert not re.search("Traceback|Error executing", printed)


def test_an_option_of_one_of_two_heads_is_told_in_one_sentence(command: Command) -> None:
    ended = command(
        main, "-m", "head=sigmoid,asymmetric,powerset", "head.shift=0.1,0.2", "hydra.sweep.dir=s"
    )
    assert ended.status == 2
    assert ended.error.splitlines() == [
        "mlc-train: head=sigmoid and head=powerset have no option shift, which head=asymmetric has:"
        " leave it out, or start a command for the part that has it, with head=asymmetric"
        " head.shift=0.1,0.2."
    ]


def test_a_range_is_counted_before_it_is_listed(command: Command) -> None:
    start = time.monotonic()
    for values in ("range(200000000)", "range(0,1e9,0.5)"):
        ended = command(main, "-m", f"seed={values}", "hydra.sweep.dir=s")
        assert ended.status == 2
        assert f"seed={values} makes 2000000" in ended.error
    ended = command(main, "-m", "seed=range(1000)", "data.seed=range(1000)", "hydra.sweep.dir=s")
    assert "makes 1000000 jobs, more than 100000" in ended.error
    assert time.monotonic() - start < 20


def test_a_failed_runs_sentence_is_told_once_and_stands_in_its_log(
    command: Command, tmp_path: Path
) -> None:
    sentence = "There is no .*nowhere.arff"
    ended = command(main, "data=arff", "data.path=nowhere", "hydra.run.dir=a")
    assert ended.status == 1
    assert len(re.findall(sentence, ended.out + ended.error)) == 1
    assert re.search(f"failed: {sentence}", (tmp_path / "a" / "train.log").read_text())


def parts() -> Iterator[tuple[str, Any]]:
    """Every dataclass of options with the prefix of its keys."""
    yield "trainer.", TrainerOptions
    yield "report.", ReportOptions
    for group, registry in GROUPS.items():
        yield from ((f"{group}.", registry.schema(name)) for name in registry)
    yield from ((f"decision.{name}.", DECISIONS[name].Options) for name in DECISIONS)


# By type: what is written, and what it means; None is refused.
NEAR: dict[type, dict[str, Any]] = {
    int: {"64.0": 64, "6.4e1": 64, "64.5": None, "yes": None, "[64]": None, "": None, "0x10": None},
    float: {"5e-1": 0.5, "'0.5'": 0.5, "half": None, "true": None, "": None, "1e400": None},
    bool: {"True": True, "yes": True, "on": True, "NO": False, "1": True, "2": None, "1.0": None},
    str: {"1e-3": "1e-3", "TRUE": "TRUE", "1_0": "1_0", "[a]": None},
}  # fmt: skip


def meant_by(key: str, raw: str, part: Any) -> Any:
    """The option's value as a command line gives it; a value that is refused raises."""
    override = OverridesParser.create().parse_override(fitted(f"{key}={raw}", is_sweep=False))
    name = key.rpartition(".")[2]
    made = OmegaConf.to_object(
        OmegaConf.merge(OmegaConf.structured(part), {name: override.value()})
    )
    check(made, key.removesuffix(name))
    return getattr(made, name)


def test_near_misses_of_every_option_are_taken_as_meant_or_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = list(_options())
    monkeypatch.setattr("mlc.launching.overrides._options", lambda: iter(options))
    seen = set()
    for prefix, part in parts():
        for name, declared in declared_types(part).items():
            item, is_list, _ = unwrapped(declared)
            if item not in NEAR or (prefix, name, item) in seen:
                continue
            seen.add((prefix, name, item))
            for raw, expected in NEAR[item].items():
                key = f"{prefix}{name}"
                if is_list and raw.startswith("["):
                    continue
                try:
                    found = meant_by(key, raw, part)
                except (ConfigError, OmegaConfBaseException) as error:
                    told = in_one_sentence(error)
                    assert told is not None
                    assert "\n" not in str(told)
                    # Refused is what is meant, too, where the option's own limits say so.
                    of_limits = re.search(
                        "out of range|unknown|must|names|does not|needs|cannot be set|missing",
                        str(told),
                    )
                    assert expected is None or of_limits, (key, raw, str(told))
                else:
                    assert found == ([expected] if is_list else expected), (key, raw, found)
    assert len(seen) > 90


def test_every_key_is_found_by_one_with_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    options = list(_options())
    monkeypatch.setattr("mlc.launching.overrides._options", lambda: iter(options))
    keys = sorted({name for name, _ in options})
    for key in keys[:: max(1, len(keys) // 30)]:
        last = key.rpartition(".")[2]
        wrong = f"{last[0]}{last[2:]}" if len(last) > 3 else last
        for faulty in (key.replace("_", "-"), key.removesuffix(last) + wrong, key.upper()):
            # Keys of one family are as near as the right one.
            assert faulty == key or re.search(r"did you mean|it is an option of", advice(faulty))


def test_bytes_that_the_locale_cannot_read_are_told() -> None:
    """As under LC_ALL=C with PYTHONUTF8=0, where é arrives as two lone surrogates."""
    argument = "data.labels=[\udcc3\udca9t]"
    with pytest.raises(OverrideParseException) as refused:
        OverridesParser.create().parse_overrides([argument])
    told = in_one_sentence(refused.value)
    assert "not text in this locale: set LC_ALL=C.UTF-8" in str(told)
    assert str(told).isascii()


@pytest.mark.parametrize(
    ("former", "now"),
    [("min_count", "min_df"), ("max_words", "max_features"), ("ngrams", "ngram_range")],
)
def test_a_former_name_gives_the_new_one(former: str, now: str) -> None:
    assert advice(f"data.{former}").startswith(f"it is now called data.{now}")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+trainer.batchsize=8", "no key 'trainer.batchsize': did you mean trainer.batch_size"),
        ("++sed=1", "no key 'sed': did you mean seed? leave it out."),
        ("+foo=1", "There is no key 'foo': leave it out."),
        ("+foo={a: 1}", "There is no key 'foo': leave it out."),
        ("+decision.global.metrik=1", "did you mean decision.global.metric"),
        ("+decision.glob=1", "no key 'decision.glob'"),
        ("+report.x.y=1", "no key 'report.x.y'"),
        ("+hydra.foo=1", "There is no key 'hydra.foo': choose hydra."),
        ("++hydra.sweep.subdri=x", "choose hydra.sweep.subdir, or leave it out."),
        ("+hydra.job.config.x.y=1", "There is no key 'hydra.job.config.x.y'"),
    ],
)
def test_a_key_that_is_added_must_be_an_option(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        fitted(override, False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("+foo=1",), "There is no key 'foo': leave it out."),
        (("+foo/bar=1",), "The config has no option 'foo/bar': it takes data, backbone"),
        # An option of another head.
        (("-m", "seed=0,1", "+head.gamma=1"), "head has no option 'gamma': it takes name."),
        (("-m", "+hydra.launcher.foo=1"), "There is no key 'hydra.launcher.foo': leave it out."),
        (("-m", "+hydra.sweeper.foo=1"), "There is no key 'hydra.sweeper.foo': leave it out."),
    ],
)
def test_no_run_is_trained_with_a_key_that_is_no_option(
    words: tuple[str, ...], message: str, command: Command
) -> None:
    # Without a data set, for nothing is trained.
    ended = command(
        main, *words, "data=arff", "data.path=x", "hydra.run.dir=a", "hydra.sweep.dir=a"
    )
    assert ended.status == 2
    assert message in ended.error
    assert len(ended.error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "override",
    [
        "+experiment=compare",
        "++seed=1",
        "+data@data=digits",
        "+decision={}",
        "++head.gamma=2",
        "+head={}",
        "+hydra.job.env_set.X=1",
        "+hydra.job_logging.handlers.x=1",
        "+hydra.launcher.parameters.timeout_min=5",
        "++hydra.sweep.dir=a",
        "+hydra/launcher=joblib",
    ],
)
def test_a_key_of_an_option_may_be_added(override: str) -> None:
    assert fitted(override, False) == override


@pytest.mark.parametrize(
    "override",
    ["hydra.launcher.parameters.timeout_min=5", "hydra.launcher.parameters={timeout_min: 5}"],
)
def test_options_of_submitit_need_no_plus(override: str) -> None:
    assert fitted(override, True) == f"++{override}"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("~seed", "~seed cannot remove seed, which every run has: leave ~seed out for the default"),
        ("~data.path=x", "leave ~data.path out for the default, or write data.path=VALUE."),
        ("~optimizer", "or write optimizer=VALUE."),
        ("~sed", "There is no key 'sed': did you mean seed? leave it out."),
    ],
)
def test_no_option_is_removed(override: str, message: str, command: Command) -> None:
    ended = command(main, override, "data=arff", "data.path=x", "hydra.run.dir=a")
    assert ended.status == 2
    assert message in ended.error
    assert len(ended.error.strip().splitlines()) == 1


def test_settings_of_hydra_may_be_removed() -> None:
    for override in ("~hydra.sweeper.params.x", "~hydra/launcher", "~hydra.job.env_set.X=1"):
        assert fitted(override, False) == override


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("rules=[global]", "There is no key 'rules': it is now called decisions."),
        ("+rules=[global]", "There is no key 'rules': it is now called decisions."),
        (
            "data.source=arff",
            "no key 'data.source': it is now called data.name, and data=NAME sets",
        ),
        (
            "data.name=toy",
            r"data.name='toy' cannot be set, .* with data=NAME, .* with data.title\.",
        ),
        ("head.name=zlpr", r"head.name='zlpr' cannot be set, .*: choose a head with head=NAME\."),
    ],
)
def test_a_key_of_an_earlier_version_is_refused_with_the_present_one(
    override: str, message: str, command: Command
) -> None:
    ended = command(main, override, "hydra.run.dir=a")
    assert ended.status == 2
    assert re.search(message, ended.error), ended.error
    assert len(ended.error.strip().splitlines()) == 1
