import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from resmem_core.models import BACKBONES
from resmem_core.models.embedding import embed
from resmem_core.models.example_batches import ExampleBatches
from resmem_core.models.training import new_network, train


def test_linear_is_the_logistic_regression_it_says_it_is():
    pixels, labels = load_digits(return_X_y=True)
    images = np.round(pixels / 16 * 255).astype(np.uint8).reshape(-1, 1, 8, 8)
    rows, rest = train_test_split(np.arange(len(labels)), train_size=0.6, stratify=labels, random_state=0)
    backbone = BACKBONES.get("linear")
    network = new_network(backbone, (1, 8, 8), 10, seed=0)
    train(network, ExampleBatches.of(images[rows], labels[rows]), backbone.recipe(len(rows)))

    flat = images.reshape(-1, 64) / 255
    expected = LogisticRegression(C=0.1, max_iter=1000).fit(flat[rows], labels[rows])
    layer = network.head[1]
    np.testing.assert_allclose(layer.weight.detach().numpy(), expected.coef_, atol=0.04)
    accuracy = (embed(network, images[rest]).logits.argmax(1) == labels[rest]).mean()
    assert 0.93 < accuracy < 0.96
    assert abs(accuracy - expected.score(flat[rest], labels[rest])) < 0.01


def test_embedding_is_the_image():
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 4, 5), dtype=np.uint8)
    network = BACKBONES.get("linear").network((2, 4, 5), 3)
    np.testing.assert_allclose(embed(network, images).embeddings, images.reshape(3, -1) / 255, rtol=1e-6)


def test_one_learning_rate_serves_large_images():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (64, 3, 96, 96), dtype=np.uint8)
    backbone = BACKBONES.get("linear")
    network = new_network(backbone, (3, 96, 96), 2, seed=0)
    labels = np.arange(64) % 2
    images[labels == 1, 0] //= 2
    history = train(network, ExampleBatches.of(images, labels), backbone.recipe(64))
    assert history.losses[-1] < 0.5 < history.losses[0]


def test_a_handful_of_images_is_enough():
    images = np.array([0, 255, 255], np.uint8)[:, None, None, None].repeat(64, axis=1).reshape(3, 1, 8, 8)
    backbone = BACKBONES.get("linear")
    network = new_network(backbone, (1, 8, 8), 2, seed=0)
    history = train(network, ExampleBatches.of(images, np.array([0, 1, 1])), backbone.recipe(3))
    assert history.losses[-1] < history.losses[0]
    assert network.head[1].weight.abs().max() < 1
