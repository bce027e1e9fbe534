from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from zoo.errors import WeightMapError
from zoo.weights import Rule, WeightMap, fused, interleaved, same, transposed


def numbers(*shape: int) -> Tensor:
    """Different numbers in every place."""
    return torch.arange(float(torch.Size(shape).numel())).view(shape) + 1


def equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


def empty(**shapes: tuple[int, ...]) -> dict[str, Tensor]:
    """A network's state dict as the loader has it: shapes without numbers."""
    return {
        name.replace("__", "."): torch.empty(shape, device="meta") for name, shape in shapes.items()
    }


# --- the rules, one by one


def test_same_renames_and_keeps_the_tensor_itself() -> None:
    weights = WeightMap("test", (same("a.{p}", "b.{p}"),))
    tensors = {"a.weight": numbers(2, 3), "a.bias": numbers(2)}

    state = weights.load(tensors, empty(b__weight=(2, 3), b__bias=(2,)), source="x")

    assert state["b.weight"] is tensors["a.weight"]
    assert state["b.bias"] is tensors["a.bias"]
    assert equal(weights.dump(state), tensors)


def test_transposed_swaps_the_two_dimensions() -> None:
    weights = WeightMap("test", (transposed("a", "b"),))

    state = weights.load({"a": numbers(2, 3)}, empty(b=(3, 2)), source="x")

    assert state["b"].tolist() == [[1, 4], [2, 5], [3, 6]]
    assert equal(weights.dump(state), {"a": numbers(2, 3)})


def test_fused_splits_along_the_first_dimension_in_order() -> None:
    weights = WeightMap("test", (fused("qkv.{p}", "q.{p}", "k.{p}", "v.{p}"),))
    tensors = {"qkv.weight": numbers(6, 2), "qkv.bias": numbers(6)}
    network = empty(
        **{f"{x}__{p}": s for x in "qkv" for p, s in (("weight", (2, 2)), ("bias", (2,)))}
    )

    state = weights.load(tensors, network, source="x")

    assert state["k.weight"].tolist() == [[5, 6], [7, 8]]
    assert state["v.bias"].tolist() == [5, 6]
    assert equal(weights.dump(state), tensors)


def test_transposed_parts_stand_side_by_side() -> None:
    weights = WeightMap("test", (transposed("qk", "q", "k"),))

    state = weights.load({"qk": numbers(2, 4)}, empty(q=(2, 2), k=(2, 2)), source="x")

    assert state["q"].tolist() == [[1, 5], [2, 6]]
    assert state["k"].tolist() == [[3, 7], [4, 8]]
    assert equal(weights.dump(state), {"qk": numbers(2, 4)})


def test_interleaved_parts_alternate_head_by_head() -> None:
    weights = WeightMap("test", (interleaved("qkv", "q", "k", "v", heads=2),))

    state = weights.load({"qkv": numbers(12)}, empty(q=(4,), k=(4,), v=(4,)), source="x")

    # Two numbers of q, of k, of v for the first head; then for the second.
    assert state["q"].tolist() == [1, 2, 7, 8]
    assert state["v"].tolist() == [5, 6, 11, 12]
    assert equal(weights.dump(state), {"qkv": numbers(12)})


def test_a_layer_number_stays_the_same_on_both_sides() -> None:
    weights = WeightMap("test", (same("h.{n}.w", "blocks.{n}.x"),))
    tensors = {f"h.{n}.w": numbers(2) + n for n in range(12)}

    state = weights.load(
        tensors, {f"blocks.{n}.x": torch.empty(2, device="meta") for n in range(12)}, source="x"
    )

    assert all(torch.equal(state[f"blocks.{n}.x"], numbers(2) + n) for n in range(12))


@pytest.mark.parametrize("name", ["h.01.w", "h.-1.w", "h.x.w", "h..w", "h.1.w.more", "a.h.1.w"])
def test_what_only_looks_like_a_rules_name_is_unexpected(name: str) -> None:
    weights = WeightMap("test", (same("h.{n}.w", "blocks.{n}.x"),))

    with pytest.raises(WeightMapError, match=f"'{re.escape(name)}' match no rule"):
        weights.load({name: numbers(2)}, {}, source="x")


def test_the_rest_of_a_name_is_taken_as_it_is() -> None:
    weights = WeightMap("test", (same("trunk.{rest}", "vision.trunk.{rest}"),))
    tensors = {"trunk.stem.0.conv": numbers(2), "trunk.norm": numbers(3)}
    network = {f"vision.{name}": each for name, each in tensors.items()}

    state = weights.load(tensors, network, source="x")

    assert equal(state, network)
    assert equal(weights.dump(state), tensors)
    with pytest.raises(WeightMapError, match=r"'trunk\.more' match no rule of the test layout"):
        weights.load(tensors | {"trunk.more": numbers(1)}, network, source="x")


def test_a_dot_in_a_name_is_a_dot() -> None:
    weights = WeightMap("test", (same("a.b", "c"),))

    with pytest.raises(WeightMapError, match="'axb' match no rule"):
        weights.load({"axb": numbers(2)}, empty(c=(2,)), source="x")


# --- names that differ from file to file

BASED = WeightMap(
    "test", (same("{base}a.{p}", "a.{p}"), same("head.{p}", "head.{p}")), base=("model.", "")
)
NETWORK = empty(a__weight=(2, 2), head__weight=(2, 2))


@pytest.mark.parametrize("base", ["model.", ""])
def test_the_base_prefix_may_be_there_or_not(base: str) -> None:
    tensors = {f"{base}a.weight": numbers(2, 2), "head.weight": numbers(2, 2) + 1}

    state = BASED.load(tensors, NETWORK, source="x")

    assert equal(state, {"a.weight": numbers(2, 2), "head.weight": numbers(2, 2) + 1})


def test_dump_writes_the_first_base() -> None:
    dumped = BASED.dump({"a.weight": numbers(2, 2), "head.weight": numbers(2, 2)})

    assert sorted(dumped) == ["head.weight", "model.a.weight"]


def test_one_tensor_under_both_prefixes_must_be_one() -> None:
    tensors = {
        "a.weight": numbers(2, 2),
        "model.a.weight": numbers(2, 2),
        "head.weight": numbers(2, 2),
    }

    assert torch.equal(BASED.load(tensors, NETWORK, source="x")["a.weight"], numbers(2, 2))
    with pytest.raises(WeightMapError, match=r"'model.a.weight' and 'a.weight' differ"):
        BASED.load(tensors | {"model.a.weight": numbers(2, 2) + 1}, NETWORK, source="x")


LEGACY = WeightMap(
    "test",
    (same("norm.{p}", "n.{p}"),),
    legacy={"norm.gamma": "norm.weight", "norm.beta": "norm.bias"},
)


def test_legacy_endings_mean_todays() -> None:
    network = empty(n__weight=(2,), n__bias=(2,))

    state = LEGACY.load({"norm.gamma": numbers(2), "norm.beta": -numbers(2)}, network, source="x")

    assert equal(state, {"n.weight": numbers(2), "n.bias": -numbers(2)})
    assert sorted(LEGACY.dump(state)) == ["norm.bias", "norm.weight"]


ALSO = WeightMap("test", (same("a", "x", also=("b", "c")),))


@pytest.mark.parametrize("names", [["a"], ["b"], ["c"], ["a", "b"], ["c", "b"], ["c", "a", "b"]])
def test_any_of_a_tensors_names_may_stand_for_it(names: list[str]) -> None:
    tensors = {name: numbers(3) for name in names}

    assert torch.equal(ALSO.load(tensors, empty(x=(3,)), source="x")["x"], numbers(3))


def test_names_of_one_tensor_that_differ_are_an_error() -> None:
    with pytest.raises(WeightMapError, match="'b' and 'a' differ"):
        ALSO.load({"a": numbers(3), "b": numbers(3) + 1}, empty(x=(3,)), source="x")
    with pytest.raises(WeightMapError, match="'b' and 'a' differ"):
        ALSO.load({"a": numbers(3), "b": numbers(4)}, empty(x=(3,)), source="x")


def test_names_of_one_tensor_must_be_of_one_type() -> None:
    with pytest.raises(WeightMapError, match="'b' and 'a' differ"):
        ALSO.load({"a": numbers(3), "b": numbers(3).bfloat16()}, empty(x=(3,)), source="x")


def test_a_tensor_of_no_fitting_rank_under_two_names_is_an_error() -> None:
    weights = WeightMap("test", (transposed("{base}a", "x"),), base=("", "model."))
    tensors = {"a": numbers(2, 2, 2), "model.a": numbers(2, 2, 2)}

    with pytest.raises(WeightMapError, match=r"'a' has shape \(2, 2, 2\)"):
        weights.load(tensors, empty(x=(2, 2)), source="x")


def test_dump_writes_the_first_of_a_tensors_names() -> None:
    assert equal(ALSO.dump({"x": numbers(3)}), {"a": numbers(3)})


FALLBACK = WeightMap("test", (same("a", "x", fallback=("b",)),))


@pytest.mark.parametrize("names", [["a", "b"], ["b", "a"]])
def test_a_fallback_counts_only_where_the_name_lacks(names: list[str]) -> None:
    tensors = {"a": numbers(3), "b": numbers(3) + 1}
    network = empty(x=(3,))

    assert torch.equal(FALLBACK.load({"b": tensors["b"]}, network, source="x")["x"], tensors["b"])
    both = {name: tensors[name] for name in names}
    assert torch.equal(FALLBACK.load(both, network, source="x")["x"], tensors["a"])


def test_what_is_ignored_is_not_even_read() -> None:
    class Files(dict[str, Tensor]):
        def __getitem__(self, name: str) -> Tensor:
            assert name == "a", f"{name} was read"
            return super().__getitem__(name)

        def __iter__(self) -> Iterator[str]:
            return super().__iter__()

    weights = WeightMap("test", (same("a", "x"),), ignore={"h.{n}.mask": "attention computes it"})
    tensors = Files({"a": numbers(2), "h.0.mask": numbers(2), "h.11.mask": numbers(2)})

    assert sorted(weights.load(tensors, empty(x=(2,)), source="x")) == ["x"]


# --- ties

TIED = WeightMap("test", (same("embed", "embed"), same("head", "head")), tied={"head": "embed"})
TIED_NETWORK = empty(embed=(3, 2), head=(3, 2))


@pytest.mark.parametrize("stored", ["embed", "head"])
def test_a_tied_tensor_that_lacks_is_the_other(stored: str) -> None:
    tensor = numbers(3, 2)

    state = TIED.load({stored: tensor}, TIED_NETWORK, source="x")

    assert state["embed"] is tensor
    assert state["head"] is tensor


def test_tied_tensors_that_are_both_there_stay_two() -> None:
    equal_ones = {"embed": numbers(3, 2), "head": numbers(3, 2)}
    differing = {"embed": numbers(3, 2), "head": numbers(3, 2) + 1}

    for tensors in (equal_ones, differing):
        assert equal(TIED.load(tensors, TIED_NETWORK, source="x"), tensors)
        assert equal(TIED.dump(tensors), tensors)


def test_a_shared_tensor_is_written_once() -> None:
    tensor = numbers(3, 2)

    assert equal(TIED.dump({"embed": tensor, "head": tensor}), {"embed": tensor})


def test_a_tie_does_not_hide_that_both_are_missing() -> None:
    with pytest.raises(WeightMapError, match="'embed', 'head' missing"):
        TIED.load({}, TIED_NETWORK, source="x")


def test_a_tied_tensor_of_another_shape_stands_for_nothing() -> None:
    with pytest.raises(WeightMapError, match="'head' missing"):
        TIED.load({"embed": numbers(3, 2)}, empty(embed=(3, 2), head=(4, 2)), source="x")


def test_a_tie_to_a_part_that_the_network_lacks_is_none() -> None:
    assert sorted(TIED.load({"embed": numbers(3, 2)}, empty(embed=(3, 2)), source="x")) == ["embed"]


# --- laws


@settings(max_examples=50, deadline=None)
@given(
    layers=st.integers(0, 12),
    width=st.integers(1, 5),
    base=st.sampled_from(["", "model."]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float16]),
    seed=st.integers(0, 2**16),
)
def test_load_and_dump_are_each_others_inverse(
    layers: int, width: int, base: str, dtype: torch.dtype, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator).to(dtype)

    weights = WeightMap(
        "test",
        (
            same("{base}wte.weight", "token.weight"),
            transposed("{base}h.{n}.up.weight", "blocks.{n}.up.weight"),
            same("{base}h.{n}.up.bias", "blocks.{n}.up.bias"),
            fused("{base}h.{n}.qkv.{p}", *(f"blocks.{{n}}.{x}.{{p}}" for x in "qkv")),
        ),
        base=(base, "other."),
    )
    tensors = {f"{base}wte.weight": random(7, width)}
    for n in range(layers):
        tensors[f"{base}h.{n}.up.weight"] = random(width, 4 * width)
        tensors[f"{base}h.{n}.up.bias"] = random(4 * width)
        tensors[f"{base}h.{n}.qkv.weight"] = random(3 * width, width)
        tensors[f"{base}h.{n}.qkv.bias"] = random(3 * width)
    network: dict[str, tuple[int, ...]] = {"token.weight": (7, width)}
    for n in range(layers):
        network |= {
            f"blocks.{n}.up.weight": (4 * width, width),
            f"blocks.{n}.up.bias": (4 * width,),
        }
        network |= {f"blocks.{n}.{x}.weight": (width, width) for x in "qkv"}
        network |= {f"blocks.{n}.{x}.bias": (width,) for x in "qkv"}
    shapes = {name: torch.empty(shape, device="meta") for name, shape in network.items()}

    state = weights.load(tensors, shapes, source="x")

    assert equal(weights.dump(state), tensors)
    assert equal(weights.load(weights.dump(state), shapes, source="x"), state)
    assert all(tensor.is_contiguous() for tensor in weights.dump(state).values())


# --- errors


def message(
    weights: WeightMap, tensors: Mapping[str, Tensor], network: Mapping[str, Tensor]
) -> str:
    with pytest.raises(WeightMapError) as raised:
        weights.load(tensors, network, source="hf:org/repo")
    text = str(raised.value)
    assert text.startswith("hf:org/repo: the weights do not fit the network: ")
    assert text.endswith("; is this checkpoint of another architecture, or incomplete?")
    assert "\n" not in text
    return text


MODEL = WeightMap("acme", (same("a.{n}", "x.{n}"), transposed("t", "u"), fused("f", "q", "k")))


def test_every_problem_is_in_one_message() -> None:
    text = message(
        MODEL,
        {
            "a.0": torch.ones(2, dtype=torch.int8),
            "a.1": numbers(3),
            "t": numbers(2, 3),
            "b": numbers(1),
        },
        {**{f"x.{n}": torch.empty(2) for n in range(3)}, "u": torch.empty(2, 3)},
    )

    assert "'a.0' holds torch.int8, not floating-point numbers" in text
    assert "'b' match no rule of the acme layout" in text
    assert "'a.0', 'a.2' missing" in text
    assert "'a.1' has shape (3,), the config asks for (2,)" in text
    # Both as the file has them: the rule transposes.
    assert "'t' has shape (2, 3), the config asks for (3, 2)" in text


def test_missing_tensors_bear_their_published_names() -> None:
    assert "'a.0', 'f', 't' missing" in message(
        MODEL, {}, {name: torch.empty(2, 2) for name in ("q", "k", "u", "x.0")}
    )


def test_a_rules_tensor_that_the_network_lacks_is_unexpected() -> None:
    # A deeper checkpoint than its config says.
    text = message(MODEL, {"a.0": numbers(2), "a.1": numbers(2)}, {"x.0": torch.empty(2)})

    assert "'a.1' match no rule" in text


def test_many_names_are_counted_not_printed() -> None:
    tensors = {f"b.{n}": numbers(1) for n in range(40)}

    assert "'b.4' and 35 more tensors match no rule" in message(MODEL, tensors, {})


def test_many_problems_are_counted_not_printed() -> None:
    tensors = {f"a.{n}": numbers(3) for n in range(40)}
    network = {f"x.{n}": torch.empty(2) for n in range(40)}

    text = message(MODEL, tensors, network)

    assert text.count("has shape") == 6
    assert "; 34 more; " in text


@pytest.mark.parametrize("tensor", [torch.tensor(1.0), numbers(5), numbers(5, 2), numbers(2, 2, 2)])
@pytest.mark.parametrize("name", ["t", "f", "a.0"])
def test_a_tensor_of_no_fitting_rank_or_size_is_an_error(name: str, tensor: Tensor) -> None:
    ours: dict[str, list[str]] = {"t": ["u"], "f": ["q", "k"], "a.0": ["x.0"]}
    network = {each: torch.empty(2, 2) for each in ours[name]}

    assert "has shape" in message(MODEL, {name: tensor}, network)


def test_a_fused_tensors_shape_is_told_once_and_as_a_whole() -> None:
    network = {name: torch.empty(2, 3) for name in ("q", "k")}

    text = message(MODEL, {"f": numbers(6, 3)}, network)

    assert text.count("has shape") == 1
    assert "'f' has shape (6, 3), the config asks for (4, 3)" in text


def test_a_network_tensor_without_a_rule_cannot_be_dumped() -> None:
    with pytest.raises(WeightMapError, match=r"^'new.weight' matches no rule of the acme layout$"):
        MODEL.dump({"new.weight": numbers(2)})


def test_part_of_a_fused_tensor_cannot_be_dumped() -> None:
    with pytest.raises(WeightMapError, match="'q' goes out together with 'k', which is missing"):
        MODEL.dump({"q": numbers(2, 2)})


def test_rules_are_values() -> None:
    # Two plugins may share one; nothing is registered anywhere.
    assert isinstance(same("a", "b"), Rule)
    with pytest.raises(AttributeError):
        MODEL.name = "other"  # type: ignore[misc]  # frozen, which this shows
