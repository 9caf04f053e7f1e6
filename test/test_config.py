import dataclasses

import numpy as np
import pytest

from facemesh_ros.config import Config, NodeConfig
from facemesh_ros.errors import ConfigError

ALL = [*Config.tunables(), *NodeConfig.tunables()]


@pytest.mark.parametrize("word", ["off", False])
def test_the_bare_word_off_of_yaml_is_the_word(word):
    assert NodeConfig.from_dotted({"privacy.mode": word}).privacy.mode == "off"
    with pytest.raises(ConfigError, match=r"mesh.network is False"):
        Config.from_dotted({"mesh.network": False})
    with pytest.raises(ConfigError, match=r"privacy.mode is True"):
        NodeConfig.from_dotted({"privacy.mode": True})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cameras", [True, False]),
        ("cameras", [1, 2]),
        ("cameras", [float("nan")]),
        ("id_prefix", True),
        ("id_prefix", 1),
    ],
)
def test_words_that_yaml_has_turned_into_something_else_are_said_to_need_quotes(name, value):
    with pytest.raises(ConfigError, match=f"{name} is .*in quotes only"):
        NodeConfig.from_dotted({name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("cameras", ["1st"]), ("cameras", "front"), ("autostart", "on"), ("workers", 1.5)]
)
def test_quotes_are_not_recommended_for_what_is_a_text_or_to_be_none(name, value):
    with pytest.raises(ConfigError, match=f"{name} is ") as refused:
        NodeConfig.from_dotted({name: value})
    assert "quotes" not in str(refused.value)


def test_dotted_names_are_unique_over_library_and_node():
    names = [tunable.name for tunable in ALL]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("tunable", ALL, ids=lambda t: t.name)
def test_every_tunable_is_described_and_bounded_and_its_default_is_allowed(tunable):
    assert tunable.description.endswith(".")
    assert tunable.check(tunable.default) == tunable.default
    if isinstance(tunable.default, (str, tuple)):
        assert tunable.choices or tunable.form or tunable.name.endswith("_frame")
    elif not isinstance(tunable.default, bool):
        assert tunable.low < tunable.high


@pytest.mark.parametrize("tunable", [t for t in ALL if t.low is not None], ids=lambda t: t.name)
def test_the_bounds_are_allowed_and_what_lies_beyond_is_not(tunable):
    kind = type(tunable.default)
    assert tunable.check(kind(tunable.low)) == tunable.low
    assert tunable.check(kind(tunable.high)) == tunable.high
    for beyond in (kind(tunable.low - 1), kind(tunable.high + 1)):
        with pytest.raises(ConfigError, match=tunable.name):
            tunable.check(beyond)


@pytest.mark.parametrize("prefix", ["", "f", "left_", "Cam2_eye", "a" * 64])
def test_a_prefix_of_ids_may_be_part_of_a_name(prefix):
    assert NodeConfig.from_dotted({"id_prefix": prefix}).id_prefix == prefix


@pytest.mark.parametrize("prefix", ["7", "_a", "cam1", "a__b", "a__", "a-b", "a/b", "a b", "é", "a\n", "a" * 65, 1])
def test_a_prefix_of_ids_that_topics_or_frames_cannot_bear_or_that_runs_into_the_id_is_refused(prefix):
    with pytest.raises(ConfigError, match="id_prefix is .*no digit last"):
        NodeConfig.from_dotted({"id_prefix": prefix})


@pytest.mark.parametrize("config", [Config(), NodeConfig()])
def test_from_dotted_of_to_dotted_is_identity(config):
    assert type(config).from_dotted(config.to_dotted()) == config


def test_nothing_named_is_the_default():
    assert Config.from_dotted({}) == Config()


def test_a_named_value_lands_in_its_section_and_nowhere_else():
    config = Config.from_dotted({"max_faces": 2, "detector.range": "full"})
    assert config.detector.range == "full"
    changed = {name for name, value in config.to_dotted().items() if value != Config().to_dotted()[name]}
    assert changed == {"max_faces", "detector.range"}


def test_a_whole_number_serves_as_a_float():
    assert Config.from_dotted({"detector.min_score": 1}).detector.min_score == 1.0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"detector.min_scor": 0.5}, "did you mean detector.min_score"),
        ({"zzz": 1}, "known names: max_faces"),
        ({"detector": {}}, "no parameter"),
        ({"max_faces": 0}, "max_faces is 0.*from 1 to 64"),
        ({"max_faces": True}, "True \\(bool\\).*whole number"),
        ({"max_faces": 2.0}, "2.0 \\(float\\)"),
        ({"detector.min_score": float("nan")}, "nan.*from 0 to 1"),
        ({"detector.interval_s": -1.0}, "0 to 3600 s"),
        ({"device": "gpu"}, "one of cpu, cuda, tensorrt, auto"),
        ({"filter.enabled": 1}, "true or false"),
    ],
)
def test_a_bad_value_is_refused_by_name_with_what_is_allowed(values, said):
    with pytest.raises(ConfigError, match=said):
        Config.from_dotted(values)


def test_a_bad_value_in_a_constructor_is_refused_too():
    with pytest.raises(ConfigError, match="max_faces"):
        Config(max_faces=99)


@pytest.mark.parametrize("section", [None, {"min_score": 0.3}, Config()])
def test_what_is_no_section_is_refused_with_the_remedy(section):
    with pytest.raises(ConfigError, match="detector is a .*DetectorConfig.*from_dotted"):
        Config(detector=section)


def test_numbers_of_numpy_serve():
    config = Config.from_dotted({"max_faces": np.int64(3), "detector.min_score": np.float64(0.25)})
    assert config == Config.from_dotted({"max_faces": 3, "detector.min_score": 0.25})
    assert type(config.max_faces) is int


def test_a_config_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().max_faces = 2
