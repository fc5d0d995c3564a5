"""Text encoders of Hugging Face as base models of labelled texts: tiny ones with random weights, from a folder."""

import json

import numpy as np
import pytest
import torch

from resmem_core.common.errors import InvalidParameterError, UnavailableError
from resmem_core.common.store import Store
from resmem_core.data.base import LABELLED
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.models import backbone_of
from resmem_core.models.embedding import embed, features
from resmem_core.models.sentence_files import sentence_files
from tests.models.families.published import of_transformers, wide

transformers = pytest.importorskip("transformers")

SPECIAL = ["[CLS]", "[PAD]", "[SEP]", "[UNK]"]
WORDS = ["the", "a", "and", "goal", "match", "team", "bread", "soup", "oven", "song", "drum", "tune"]
C, POSITIONS = len(SPECIAL) + len(WORDS), 14
IDS = {"vocab_size": C, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
SMALL = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "max_position_embeddings": POSITIONS, **IDS,
}  # fmt: skip
DISTIL = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": POSITIONS, **IDS}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "decoder_start_token_id": 1, **IDS}
NAMES = {"id2label": {0: "Food", 1: "sport", 2: "music"}, "label2id": {"Food": 0, "sport": 1, "music": 2}}
t = transformers
MAKES = {
    "bert": lambda: t.BertModel(t.BertConfig(**SMALL)),
    "bert without pooler": lambda: t.BertModel(t.BertConfig(**SMALL), add_pooling_layer=False),
    "distilbert": lambda: t.DistilBertModel(t.DistilBertConfig(**DISTIL)),
    "roberta": lambda: t.RobertaModel(t.RobertaConfig(**SMALL)),
    "t5": lambda: t.T5Model(t.T5Config(**T5)),
    "bert classifier": lambda: t.BertForSequenceClassification(t.BertConfig(**SMALL, **NAMES)),
    "roberta classifier": lambda: t.RobertaForSequenceClassification(t.RobertaConfig(**SMALL, **NAMES)),
    "several labels": lambda: t.BertForSequenceClassification(
        t.BertConfig(**SMALL, **NAMES, problem_type="multi_label_classification")
    ),
    "gpt2": lambda: t.GPT2Model(t.GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=POSITIONS, **IDS)),
    "fnet": lambda: t.FNetModel(t.FNetConfig(**{**SMALL, "num_attention_heads": 2})),
}
TEXTS = ["the goal", "a soup and a song and the bread", "", "drum [SEP] tune", "team match unheard", "oven " * 40]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a function from a kind to the folder of such a model with its tokenizer, each written once."""
    made = {}

    def make(kind):
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("model")
            wide(MAKES[kind]()).save_pretrained(made[kind])
            save_tokenizer(made[kind])
        return made[kind]

    return make


def save_tokenizer(folder, words=WORDS, around=True):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    fast = Tokenizer(models.WordLevel({word: i for i, word in enumerate([*SPECIAL, *words])}, "[UNK]"))
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if around:
        pair = "[CLS] $A [SEP] $B [SEP]"
        fast.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", pair, [("[CLS]", 0), ("[SEP]", 2)])
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=fast, cls_token="[CLS]", pad_token="[PAD]", sep_token="[SEP]", unk_token="[UNK]"
    ).save_pretrained(folder)


def copied(folder, tmp_path, **files):
    """Copy a model, and write files of JSON beside it."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    for name, content in files.items():
        path = tmp_path / f"{name.replace('__', '/')}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return tmp_path


def network_of(spec, n_classes=3):
    backbone, argument = backbone_of(f"hf:{spec}", LABELLED)
    assert backbone.unavailable(argument) is None
    return backbone.network((), n_classes, argument)


def embedded(network, texts=TEXTS):
    return features(network, network.reader.read(texts)[0], device=torch.device("cpu"))


def alone(path, read, model_class="AutoModel", longest=POSITIONS):
    """Return what transformers itself says of each text by itself, so that nothing is filled up."""
    model = getattr(transformers, model_class).from_pretrained(path).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    plain = {"split_special_tokens": True, "return_tensors": "pt", "return_token_type_ids": False}
    inputs = [tokenizer(text, truncation=True, max_length=longest, **plain) for text in TEXTS]
    with torch.inference_mode():
        return torch.cat([read(model, one) for one in inputs]).numpy()


def mean(model, one):
    return model(**one).last_hidden_state.mean(1)


def hidden(model, one):
    return model(**one, output_hidden_states=True).hidden_states


@pytest.mark.parametrize(
    ("kind", "option", "read", "longest"),
    [
        ("bert", "", mean, 14),
        ("bert", "?pool=cls", lambda model, one: model(**one).last_hidden_state[:, 0], 14),
        ("bert", "?pool=pooler", lambda model, one: model(**one).pooler_output, 14),
        ("bert", "?max_length=5", mean, 5),
        ("bert", "?pool=last", lambda model, one: model(**one).last_hidden_state[:, -1], 14),
        ("gpt2", "?pool=last", lambda model, one: model(**one).last_hidden_state[:, -1], 14),
        ("bert", "?layer=encoder.layer.0", lambda model, one: hidden(model, one)[1].mean(1), 14),
        ("bert", "?layer=encoder.layer.0&pool=last", lambda model, one: hidden(model, one)[1][:, -1], 14),
        ("distilbert", "", mean, 14),
        ("roberta", "", mean, 12),  # two of its positions are never used
        ("t5", "?max_length=20", lambda model, one: model.get_encoder()(**one).last_hidden_state.mean(1), 20),
        ("several labels", "", lambda model, one: model.pooler(model(**one).last_hidden_state), 14),
    ],
)
def test_it_says_of_a_text_what_transformers_says_of_it_alone(folder, kind, option, read, longest):
    network = network_of(f"{folder(kind)}{option}")
    if kind == "several labels":  # it does not tell one class of several
        assert network.own is None
        network, option = network_of(f"{folder(kind)}?pool=pooler"), "?pool=pooler"
    assert f"reads up to {longest} tokens of a text; the embedding is " in network.about
    expected = alone(folder(kind), read, longest=longest)
    np.testing.assert_allclose(embedded(network), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["bert classifier", "roberta classifier"])
def test_the_own_head_says_what_the_model_says(folder, kind):
    network = network_of(folder(kind))
    network.head = network.own.of(network.own.rows(["food", "music", "sport"]))
    found = embed(network, network.reader.read(TEXTS)[0], device=torch.device("cpu")).logits
    longest, whole = network.reader.longest, "AutoModelForSequenceClassification"
    expected = alone(folder(kind), lambda model, one: model(**one).logits[:, [0, 2, 1]], whole, longest)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    assert network_of(f"{folder(kind)}?head=trained").own is None


@pytest.mark.parametrize("n_tokens", [1, 30, 10**6])
def test_it_matters_not_how_many_are_read_together(folder, monkeypatch, n_tokens):
    network = network_of(folder("bert"))
    texts = [" ".join(WORDS[: i * 7 % 11]) for i in range(40)]
    monkeypatch.setattr("resmem_core.models.embedding.affordable", lambda module, examples: max(1, n_tokens // 14))
    apart = np.concatenate([embedded(network, [text]) for text in texts])
    np.testing.assert_allclose(embedded(network, texts), apart, atol=1e-5)


def test_what_is_not_read_is_counted_and_a_text_may_be_empty(folder, tmp_path):
    path = copied(folder("bert"), tmp_path)
    network = network_of(path)
    tokens, n_cut = network.reader.read(TEXTS)
    assert (tokens.shape, tokens.dtype, n_cut) == ((6, POSITIONS), np.int32, 1)
    assert tokens[0].tolist() == [0, 4, 7, 2, *[-1] * 10]
    assert tokens[3, :7].tolist() == [0, 14, 3, 3, 3, 15, 2]  # "[SEP]" in a text is words that nobody knows
    assert tokens[5, -1] == 2  # but what stands around a text stays where it is cut
    save_tokenizer(path, around=False)
    for pool in ("mean", "cls", "pooler"):
        found = embedded(network_of(f"{path}?pool={pool}"), ["", "the", ""])
        assert not found[[0, 2]].any()
        assert np.isfinite(found).all()


def test_another_tokenizer_is_another_model(folder, tmp_path):
    path = copied(folder("bert"), tmp_path)
    before = network_of(path).definition
    assert network_of(path).definition == before
    assert network_of(f"{path}?max_length=9").definition != before
    save_tokenizer(path, WORDS[::-1])
    assert network_of(path).definition != before


POOLING = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
MODULES = [
    {"idx": i, "path": path, "type": f"sentence_transformers.models.{kind}"}
    for i, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense")])
]


def test_what_is_not_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UnavailableError, match=r"'someone/no-such-model' cannot be read.*an encoder of texts.*connect"):
        network_of("someone/no-such-model")
    assert sentence_files("someone/no-such-model") is None


class TestSentenceTransformers:
    def test_its_files_are_followed(self, folder, tmp_path):
        reading = {"max_seq_length": 6, "do_lower_case": True}
        files = {"modules": MODULES, "1_Pooling__config": POOLING, "sentence_bert_config": reading}
        network = network_of(copied(folder("bert"), tmp_path, **files))
        assert "reads up to 6 tokens of a text; the embedding is the first token of its last layer, as" in network.about
        assert network.about.endswith("without what they do to that (Dense)")
        assert network.reader.read(["The GOAL"])[0].tolist() == [[0, 4, 7, 2]]
        expected = alone(folder("bert"), lambda model, one: model(**one).last_hidden_state[:, 0], longest=6)
        np.testing.assert_allclose(embedded(network), expected, atol=1e-5)
        assert "the mean over the tokens of its last layer" in network_of(f"{tmp_path}?pool=mean").about

    def test_the_last_token_and_what_is_put_before_a_text(self, folder, tmp_path):
        files = {"modules": MODULES[:2], "1_Pooling__config": {"pooling_mode_lasttoken": True}}
        told = {"prompts": {"query": "the match ", "other": "a "}, "default_prompt_name": "query"}
        path = copied(folder("gpt2"), tmp_path, **files, config_sentence_transformers=told)
        usual, other, words, none = (
            network_of(f"{path}{of}") for of in ("", "?prompt=other", "?prompt=soup ", "?prompt=")
        )
        assert "14 tokens of a text, each after 'the match '; the embedding is the last token of its" in usual.about
        assert [n.reader.read(["song"])[0][0, 1:-1].tolist() for n in (usual, other, words, none)] == [
            [4, 8, 13], [5, 13], [11, 13], [13]
        ]  # fmt: skip
        assert len({n.definition for n in (usual, other, words, none)}) == 4
        np.testing.assert_allclose(embedded(none, ["the match song"]), embedded(usual, ["song"]), atol=1e-5)

    def test_a_pooling_that_there_is_not(self, folder, tmp_path):
        both = {"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": True}
        path = copied(folder("bert"), tmp_path, modules=MODULES, **{"1_Pooling__config": both})
        with pytest.raises(InvalidParameterError, match=r"pooling by 'max_tokens and mean'.*\?pool=mean or \?pool=cls"):
            network_of(path)
        assert network_of(f"{path}?pool=mean").own is None

    @pytest.mark.parametrize("modules", [[], {"a": 1}, [{"type": "Pooling"}]])
    def test_files_that_are_not_as_they_should_be(self, folder, tmp_path, modules):
        path = copied(folder("bert"), tmp_path, modules=modules)
        with pytest.raises(UnavailableError, match=r"modules\.json and the config\.json of its Pooling are not as"):
            network_of(path)


@pytest.mark.parametrize(
    ("kind", "option", "message"),
    [
        ("gpt2", "", r"reads a text from left to right only.*it has no encoder.*\?pool=last"),
        ("fnet", "", r"says something else of a text beside a longer one .*no heed to the attention mask"),
        ("bert without pooler", "?pool=pooler", "has no trained pool='pooler'; choose one of: mean, cls, last"),
        ("distilbert", "?pool=pooler", "has no trained pool='pooler'; choose one of: mean, cls"),
        ("bert", "?pool=best", "pool='best' must be one of: mean, cls, last, pooler"),
        ("bert", "?layer=encoder.layer.7", "there is no layer 'encoder.layer.7'; the likeliest of"),
        ("bert", "?layer=encoder.layer.0&pool=pooler", "pool='pooler' is not of a layer"),
        ("bert", "?colour=red", "'colour' is not possible after the question mark"),
        ("bert", "?max_length=15", "max_length=15 must be a whole number from 1 to 14, the positions"),
        ("bert", "?max_length=2", "max_length=2 must be above 2, as the tokenizer puts 2 tokens around a text"),
    ],
)
def test_what_cannot_embed_is_refused(folder, kind, option, message):
    with pytest.raises(InvalidParameterError, match=message):
        network_of(f"{folder(kind)}{option}")


@pytest.mark.parametrize("kind", ["vit", "clip"])
def test_models_of_images_are_refused(tmp_path, kind):
    of_transformers(tmp_path, kind)
    with pytest.raises(InvalidParameterError, match=r"is none of texts; use an encoder"):
        network_of(tmp_path)


def test_a_tokenizer_that_does_not_belong_to_it_is_refused(folder, tmp_path):
    path = copied(folder("bert"), tmp_path)
    save_tokenizer(path, [*WORDS, "more"])
    with pytest.raises(InvalidParameterError, match=f"knows {C} tokens, but its tokenizer has {C + 1}"):
        network_of(path)
    save_tokenizer(path, [])
    with pytest.raises(InvalidParameterError, match=r"knows no tokens but special ones.*tokenizer\.json beside it"):
        network_of(path)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Write texts of three classes, most of them long, and return the file."""
    rng, words, names = np.random.default_rng(0), np.array(WORDS[3:]).reshape(3, 3), ("sport", "food", "music")
    rows = [([*rng.choice(words[i % 3], 4), str(i), *["the"] * (i % 30)], names[i % 3]) for i in range(90)]
    file = tmp_path_factory.mktemp("data") / "mine.csv"
    file.write_text("\n".join(["text,label", *(f"{' '.join(text)},{name}" for text, name in rows)]))
    return file


class TestExperiment:
    def prepared(self, written, path, **more):
        config = ExperimentConfig(f"texts:{written}", f"hf:{path}", **more)
        return prepare(config, store=Store(written.parent / "store"), device="cpu")

    def test_a_head_is_trained_on_top(self, written, folder):
        experiment = self.prepared(written, folder("distilbert"))
        params = experiment.default_params()
        assert experiment.evaluate(params).accuracy["base"] > 0.6
        assert experiment.explain(0, params).prediction in range(3)
        assert "a linear head was trained on top" in experiment.notes
        assert "66 of 90 texts have more than 14 tokens; what comes after them is not read" in experiment.notes
        found = experiment.base.parts["test"].embeddings
        np.testing.assert_allclose(
            found, embedded(network_of(folder("distilbert")), experiment.dataset.test.texts), atol=1e-5
        )
        assert self.prepared(written, folder("distilbert")).base.identity == experiment.base.identity

    def test_with_its_own_head_nothing_is_trained(self, written, folder):
        experiment = self.prepared(written, folder("bert classifier"))
        assert (experiment.origin, experiment.base.recipe, experiment.base.weights) == ("given", None, None)
        assert "the model's own head: 3 of its 3 classes, by name" in experiment.notes
        layer = self.prepared(written, f"{folder('bert classifier')}?layer=auto")
        np.testing.assert_allclose(layer.test.logits, experiment.test.logits, atol=1e-5)
        assert any("% at bert.encoder.layer.0" in note for note in layer.notes)
