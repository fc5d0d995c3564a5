"""Causal language models of Hugging Face as base models: tiny ones with random weights, from a folder."""

import json
import sys

import numpy as np
import pytest
import torch

from resmem_core.common.errors import InvalidParameterError, UnavailableError
from resmem_core.data.base import TEXT
from resmem_core.data.text import Stream
from resmem_core.models import backbone_of, token_blocks
from resmem_core.models.families import huggingface
from resmem_core.models.text_embedding import embed_stream, hidden_of
from resmem_core.models.token_blocks import output_layer

transformers = pytest.importorskip("transformers")
C = 60
SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
PAIR = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2, "decoder_start_token_id": 3}
LAYERS = {f"{part}_{name}": 2 for part in ("encoder", "decoder") for name in ("layers", "attention_heads", "ffn_dim")}
IDS = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
CONFIGS = {
    "gpt2": lambda: transformers.GPT2Config(vocab_size=C, n_positions=32, n_embd=16, n_layer=2, n_head=2, **IDS),
    "llama": lambda: transformers.LlamaConfig(
        vocab_size=C, max_position_embeddings=4096, tie_word_embeddings=False, **SMALL, **IDS
    ),
    "phi": lambda: transformers.PhiConfig(vocab_size=C, **SMALL, **IDS),  # its output layer has a bias
    "granite": lambda: transformers.GraniteConfig(vocab_size=C, logits_scaling=8.0, **SMALL, **IDS),
    "cohere": lambda: transformers.CohereConfig(vocab_size=C, logit_scale=0.0625, **SMALL, **IDS),  # tied
    "t5": lambda: transformers.T5Config(vocab_size=C, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, **PAIR),
    "bart": lambda: transformers.BartConfig(vocab_size=C, d_model=16, max_position_embeddings=32, **LAYERS, **PAIR),
    "gemma2": lambda: transformers.Gemma2Config(
        vocab_size=C, num_key_value_heads=2, head_dim=8, final_logit_softcapping=0.05, **SMALL, **IDS
    ),
}


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    """Return a function that saves a model of that kind, and returns its folder and the model."""

    def make(kind, change=None, model_class=transformers.AutoModelForCausalLM):
        torch.manual_seed(0)
        model = model_class.from_config(CONFIGS[kind]()).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        if change:
            change(model)
        folder = tmp_path_factory.mktemp(kind)
        model.save_pretrained(folder)
        return folder, model

    return make


def network_of(folder, n_classes=C):
    backbone, argument = backbone_of(f"hf:{folder}", TEXT)
    assert backbone.unavailable(argument) is None
    assert backbone.recipe(1000) is None
    return backbone.network((), n_classes, argument)


@pytest.mark.parametrize(
    ("kind", "length"), [("gpt2", 32), ("llama", 1024), ("phi", 1024), ("granite", 1024), ("cohere", 1024)]
)
def test_a_model_in_two_parts_says_what_it_says_whole(folder_of, kind, length):
    folder, model = folder_of(kind)
    network = network_of(folder)
    assert (network.context_length, network.head.weight.shape, network.frozen) == (length, (C, 16), True)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    ids = torch.arange(40).view(2, 20)
    with torch.inference_mode():
        expected = model(ids).logits
        torch.testing.assert_close(network(ids), expected)
        logits = output_layer(network).logits(network.trunk(ids)[0].numpy())
    np.testing.assert_allclose(logits, expected[0].numpy(), atol=1e-4)


@pytest.mark.parametrize(("kind", "factor"), [("granite", 1 / 8), ("cohere", 1 / 16), ("llama", 1)])
def test_a_constant_that_logits_are_multiplied_by_goes_into_the_head(folder_of, kind, factor):
    folder, model = folder_of(kind)
    network = network_of(folder)
    expected = model.get_output_embeddings().weight.detach() * factor
    torch.testing.assert_close(network.head.weight.detach(), expected, rtol=1e-5, atol=1e-6)
    ids = torch.arange(20)[None]
    with torch.inference_mode():
        torch.testing.assert_close(network.trunk(ids), model.base_model(ids).last_hidden_state)


def test_nothing_but_us_draws_bars_while_it_is_read(folder_of, capsys):
    folder, _ = folder_of("gpt2")
    capsys.readouterr()
    transformers.AutoModelForCausalLM.from_pretrained(folder)
    drawn = capsys.readouterr().err
    network_of(folder)
    assert capsys.readouterr().err == ""
    transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert ("Loading" in capsys.readouterr().err) == ("Loading" in drawn)  # others have what they had


def test_rows_beyond_the_tokenizer_are_left_out(folder_of):
    folder, model = folder_of("llama")
    network = network_of(folder, C - 7)
    ids = torch.arange(20)[None]
    with torch.inference_mode():
        torch.testing.assert_close(network(ids), model(ids).logits[..., : C - 7])
    with pytest.raises(InvalidParameterError, match="tells 60 tokens apart, but its tokenizer has 61"):
        network_of(folder, C + 1)


@pytest.mark.parametrize(("kind", "length"), [("t5", 1024), ("bart", 32)])
def test_of_an_encoder_and_a_decoder_the_decoder_reads_the_text(folder_of, kind, length):
    folder, model = folder_of(kind, model_class=transformers.AutoModelForSeq2SeqLM)
    network = network_of(folder)
    assert (network.context_length, network.head.weight.shape, network.frozen) == (length, (C, 16), True)
    assert "its encoder nothing but the token that ends one" in network.about
    ids = torch.arange(40).view(2, 20)
    with torch.inference_mode():
        whole = model(input_ids=torch.tensor([[1], [1]]), decoder_input_ids=ids, output_hidden_states=True)
        torch.testing.assert_close(network(ids), whole.logits, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(network.trunk(ids), whole.decoder_hidden_states[-1])
        logits = output_layer(network).logits(network.trunk(ids)[0].numpy())
    np.testing.assert_allclose(logits, whole.logits[0].numpy(), atol=1e-4)
    other, _ = folder_of(kind, lambda model: _other_end(model), model_class=transformers.AutoModelForSeq2SeqLM)
    assert not torch.allclose(network_of(other)(ids), network(ids))  # what the encoder reads does count


def _other_end(model):
    model.config.eos_token_id = 5


def test_an_encoder_needs_a_token_to_read(folder_of):
    def lose(model):
        model.config.eos_token_id = None

    folder, _ = folder_of("t5", lose, model_class=transformers.AutoModelForSeq2SeqLM)
    with pytest.raises(InvalidParameterError, match=r"eos_token_id=None in its config.json; expected the number"):
        network_of(folder)


def test_a_document_begins_with_what_a_decoder_starts_with(folder_of):
    folder, _ = folder_of("t5", model_class=transformers.AutoModelForSeq2SeqLM)
    save_tokenizer(folder, eos_token="b")
    backbone, argument = backbone_of(f"hf:{folder}", TEXT)
    assert backbone.tokenizer(argument).bos == 3


def test_it_embeds(folder_of, tmp_path):
    folder, _ = folder_of("gpt2")
    network = network_of(folder)
    stream = Stream(np.arange(70, dtype=np.int32) % 50, np.array([0, 10, 70]), ("a", "b"))
    embed_stream(network, stream, bos=55, file=tmp_path / "rows.npy", device=torch.device("cpu"))
    rows = np.load(tmp_path / "rows.npy").astype(float)
    for row in (0, 3, 10, 45, 69):
        found = hidden_of(network, stream.before(row, 100), bos=55, device=torch.device("cpu"))
        np.testing.assert_allclose(found.astype(float), rows[row], rtol=2e-3, atol=2e-3)


def test_capped_logits_cannot_be_had_from_states(folder_of):
    folder, _ = folder_of("gemma2")
    with pytest.raises(
        InvalidParameterError, match=r"cannot be used: its logits are not what .* as where they are capped"
    ):
        network_of(folder)


def test_a_model_that_looks_ahead_is_refused(folder_of, monkeypatch):
    folder, _ = folder_of("gpt2")

    def mixed(self, ids):
        states = self.model(input_ids=ids).last_hidden_state
        return states + states.flip(1)

    monkeypatch.setattr(token_blocks.LastStates, "forward", mixed)
    monkeypatch.setattr(huggingface, "TOLERANCE", 1e9)
    network_of(folder)
    with monkeypatch.context() as patch:
        patch.setattr(transformers.GPT2LMHeadModel, "forward", lambda self, input_ids, **_: _Same(self, input_ids))
        patch.setattr(huggingface, "TOLERANCE", 1e-4)
        with pytest.raises(InvalidParameterError, match="depend on tokens that come later"):
            network_of(folder)


class _Same:
    """Logits that do go with states mixed with those of later tokens."""

    def __init__(self, model, ids):
        states = model.transformer(input_ids=ids).last_hidden_state
        self.logits = model.lm_head(states + states.flip(1))


def test_weights_left_to_chance_are_refused(folder_of):
    folder, _ = folder_of("llama", model_class=transformers.AutoModel)
    with pytest.raises(InvalidParameterError, match=r"lacks 1 of .*lm_head.weight for one.*left to chance"):
        network_of(folder)


def test_weights_that_could_run_code_are_not_read(folder_of):
    folder, model = folder_of("gpt2")
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(UnavailableError, match="safetensors"):
        network_of(folder)


def test_code_that_comes_with_a_model_is_not_run(folder_of):
    folder, _ = folder_of("gpt2")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine", "AutoModelForCausalLM": "mine.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass Mine: pass\nclass Model: pass\n")
    with pytest.raises(UnavailableError, match="cannot be read"):
        network_of(folder)
    assert not (folder / "ran").exists()


def test_it_tells_all_that_decides_what_it_says(folder_of):
    """Weights alone do not: with other heads or positions the same ones say something else."""
    folder, _ = folder_of("llama")
    before = network_of(folder).definition
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "rms_norm_eps": 0.1}))
    assert network_of(folder).definition != before
    assert str(folder) not in before


def save_tokenizer(folder, **special):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = {letter: i for i, letter in enumerate([*"abcdefgh", "<s>"])}
    fast = Tokenizer(models.BPE(letters, []))
    fast.pre_tokenizer, fast.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    transformers.PreTrainedTokenizerFast(tokenizer_object=fast, **special).save_pretrained(folder)


def test_its_tokenizer_is_its_own(folder_of):
    folder, _ = folder_of("gpt2")
    save_tokenizer(folder, bos_token="<s>")
    backbone, argument = backbone_of(f"hf:{folder}", TEXT)
    tokenizer = backbone.tokenizer(argument)
    assert tokenizer.encode("bad").tolist() == [1, 0, 3]
    assert (tokenizer.size, tokenizer.bos) == (9, 8)


def test_a_folder_without_a_model(tmp_path, monkeypatch):
    backbone, argument = backbone_of(f"hf:{tmp_path}", TEXT)
    assert backbone.unavailable(argument) == (
        f"the folder '{tmp_path}' has no config.json; give one that a model's save_pretrained wrote"
    )
    for ask in (backbone.tokenizer, lambda argument: backbone.network((), C, argument)):
        with pytest.raises(UnavailableError, match=r"has no config\.json"):
            ask(argument)
    (tmp_path / "config.json").write_text("{}")
    assert backbone.unavailable(argument) is None
    with pytest.raises(UnavailableError, match="cannot be read"):
        backbone.network((), C, argument)


def test_a_folder_of_somebody_is_found_by_a_tilde(folder_of, monkeypatch):
    folder, _ = folder_of("gpt2")
    monkeypatch.setenv("HOME", str(folder.parent))
    assert network_of(f"~/{folder.name}").head.weight.shape == (C, 16)


def test_what_is_not_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    backbone, argument = backbone_of("hf:someone/no-such-model", TEXT)
    assert backbone.unavailable(argument) is None  # it may be fetched
    with pytest.raises(UnavailableError, match=r"the model 'someone/no-such-model' cannot be read.*connect to the"):
        backbone.network((), C, argument)
    backbone, argument = backbone_of(f"hf:{tmp_path}/no/such/folder", TEXT)
    assert "there is no folder" in backbone.unavailable(argument)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    backbone, argument = backbone_of("hf:gpt2", TEXT)
    assert backbone.unavailable(None) == backbone.unavailable(argument)
    assert "the package transformers is not installed" in backbone.unavailable(argument)
    with pytest.raises(UnavailableError, match=r"the model 'gpt2' cannot be read: the package transformers is not"):
        backbone.network((), C, argument)
