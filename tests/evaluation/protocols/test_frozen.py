"""Nearest neighbours and linear probes against scikit-learn's, on the same frozen features."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zoo
from tests.evaluation import seen
from zoo.errors import RegistryError, UsageError, ZooWarning
from zoo.evaluation import Result, evaluate
from zoo.evaluation.protocols.linear_probe import fit

Features = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def made(folder: Path) -> zoo.Model:
    """A model, and data for it below the folder."""
    seen.class_folders(folder / "train", [6, 9, 7, 5, 8, 4], seed=100)
    seen.class_folders(folder / "test", [4, 3, 5, 4, 2, 3])
    return seen.save(folder)[0]


def features(model: zoo.Model, folder: Path) -> Features:
    """Vectors of length 1 and classes, of pictures in the order of their names."""
    pictures = [path for name in seen.CLASSES for path in sorted((folder / name).iterdir())]
    labels = [seen.CLASSES.index(path.parent.name) for path in pictures]
    vectors = model.embed(list(pictures), normalize=True)
    return vectors.double().numpy(), np.array(labels)


def predictions(result: Result, folder: Path) -> list[int]:
    """The classes that pictures were taken for, in the order of their names."""
    said = {each["picture"]: seen.CLASSES.index(each["predicted"]) for each in result.details}
    return [said[str(p)] for name in seen.CLASSES for p in sorted((folder / name).iterdir())]


def test_neighbours_vote_as_scikit_learns(tmp_path: Path) -> None:
    neighbors = pytest.importorskip("sklearn.neighbors")
    model = made(tmp_path)
    theirs = neighbors.KNeighborsClassifier(
        7, metric="cosine", algorithm="brute", weights=lambda distance: np.exp((1 - distance) / 0.1)
    )
    theirs.fit(*features(model, tmp_path / "train"))
    vectors, labels = features(model, tmp_path / "test")
    expected = theirs.predict(vectors)

    benchmark = seen.classification(knn={"k": 7, "temperature": 0.1})
    result = evaluate(model, benchmark, data=tmp_path, protocol="knn", cache=False)

    assert result.samples == 21
    assert predictions(result, tmp_path / "test") == expected.tolist()
    assert result["acc1"].value == pytest.approx((expected == labels).mean())


def test_a_probe_says_what_scikit_learns_logistic_regression_says(tmp_path: Path) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    model = made(tmp_path)
    theirs = linear_model.LogisticRegression(C=5.0, tol=1e-10, max_iter=10_000)
    theirs.fit(*features(model, tmp_path / "train"))
    vectors, labels = features(model, tmp_path / "test")
    expected = theirs.predict(vectors)

    benchmark = seen.classification(linear_probe={"C": 5.0})
    result = evaluate(model, benchmark, data=tmp_path, protocol="linear-probe", cache=False)

    assert predictions(result, tmp_path / "test") == expected.tolist()
    assert result["acc1"].value == pytest.approx((expected == labels).mean())


@pytest.mark.parametrize("C", [0.01, 1.0, 300.0])
def test_a_probe_has_scikit_learns_weights(C: float) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    torch.manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(90, 12), dim=1)
    labels = (vectors @ torch.randn(12, 4) + 0.1 * torch.randn(90, 4)).argmax(1)
    theirs = linear_model.LogisticRegression(C=C, tol=1e-10, max_iter=10_000)
    theirs.fit(vectors.double().numpy(), labels.numpy())

    weight, bias = fit(vectors, labels, C=C)

    np.testing.assert_allclose(weight.numpy(), theirs.coef_, atol=2e-3 * C**0.5)
    np.testing.assert_allclose(
        (bias - bias.mean()).numpy(), theirs.intercept_ - theirs.intercept_.mean(), atol=2e-3
    )


def test_two_probes_are_the_same() -> None:
    torch.manual_seed(0)
    vectors, labels = torch.randn(60, 8), torch.arange(60) % 3

    first, again = fit(vectors, labels, C=1.0), fit(vectors, labels, C=1.0)

    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


def test_a_probe_that_does_not_settle_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.evaluation.protocols.linear_probe._STEPS", 2)
    torch.manual_seed(0)

    with pytest.warns(ZooWarning, match="has not settled after 2 steps"):
        fit(torch.randn(60, 8), torch.arange(60) % 3, C=100.0)


def test_a_class_that_was_never_seen_is_never_said(tmp_path: Path) -> None:
    seen.class_folders(tmp_path / "train", [6, 9, 7, 5, 8, 0])
    seen.class_folders(tmp_path / "test", [4, 3, 5, 4, 2, 3])
    model, _, _ = seen.save(tmp_path)

    benchmark = seen.classification(linear_probe={})
    result = evaluate(model, benchmark, data=tmp_path, protocol="linear-probe", cache=False)

    assert "red bus" not in {each["predicted"] for each in result.details}


def test_a_single_class_is_nothing_to_learn(tmp_path: Path) -> None:
    seen.class_folders(tmp_path / "train", [6, 0, 0, 0, 0, 0])
    seen.class_folders(tmp_path / "test", [1, 1, 1, 1, 1, 1])
    model, _, _ = seen.save(tmp_path)

    with pytest.raises(UsageError, match="'train' has the class 'cat' alone"):
        evaluate(
            model,
            seen.classification(linear_probe={}),
            data=tmp_path,
            protocol="linear-probe",
            cache=False,
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 0}, "k of made is 0; expected a number above 0"),
        ({"k": 2.5}, r"k of made is 2\.5; expected a whole number"),
        ({"temperature": "warm"}, "temperature of made is 'warm'; expected a number above 0"),
    ],
)
def test_settings_out_of_range_are_named(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    model, _, _ = seen.save(tmp_path)

    with pytest.raises(RegistryError, match=message):
        evaluate(model, seen.classification(knn=settings), data=tmp_path, protocol="knn")


def test_nobody_learns_from_what_is_measured(tmp_path: Path) -> None:
    model, _, _ = seen.save(tmp_path)
    seen.class_folders(tmp_path / "data" / "test", [1, 1, 1, 1, 1, 1])
    benchmark = seen.classification(knn={})
    archive = tmp_path / "pictures.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (tmp_path / "data").rglob("*.png"):
            file.write(path, path.relative_to(tmp_path / "data"))

    with pytest.raises(UsageError, match=r"expected --data to be a folder, .* 'train' is read too"):
        evaluate(model, benchmark, data=archive, protocol="knn")
    with pytest.raises(UsageError, match="has no train, which made reads"):
        evaluate(model, benchmark, data=tmp_path / "data", protocol="knn")
