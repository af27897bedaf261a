"""A tiny random model with the true vocabulary, written on the spot as a GGUF file that llama.cpp loads.

Two llama layers of 64 dimensions with random weights from a fixed seed, and the vocabulary of Mistral Small 3.1: 1,000
special tokens and the first 130,072 of mistral-common's Tekken file, so that a server counts prompts as the real model's
does. Nothing is downloaded. What it writes is noise: every word of it that makes sense is the grammar's doing.

One thing is not random, or strings would go on for thousands of tokens: the first dimension of every embedding is a
constant that no layer touches, and the row of the token `"` in the output matrix answers to it. A string that a grammar
has opened then ends after a few tokens, as a trained model's does.
"""

import base64
import json
from importlib.util import find_spec
from pathlib import Path

WINDOW = 8192  # tokens: what the file says of itself; a server may be told less
LAYERS, WIDTH, HEADS, INNER = 2, 64, 4, 128
SPECIAL = 1_000  # ids below are special tokens, those from here on are ranks of the vocabulary
WORDS = 130_072
BOS, EOS, PAD = 1, 2, 11
_NAMED = [
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]",
    "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
]  # fmt: skip
_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}[SYSTEM_PROMPT]{{ message['content'] }}[/SYSTEM_PROMPT]"
    "{% elif message['role'] == 'user' %}[INST]{{ message['content'] }}[/INST]"
    "{% else %}{{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)  # the v7 layout: 5 tokens around a system and a user message
_CONSTANT, _NOISE, _CLOSING = 3.0, 0.02, 1.0  # logits of noise deviate by about 0.15, the quote's is about 1


def write_tiny_model(folder: Path, seed: int = 7) -> Path:
    """The model as `folder`/tiny.gguf, 42 MB, in three seconds. Needs the extra `real`."""
    import gguf
    import numpy as np

    path = folder / "tiny.gguf"
    words = _words()
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny random model of the tests")
    writer.add_context_length(WINDOW)
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(SPECIAL + WORDS)

    special = [*_NAMED, *(f"<SPECIAL_{number}>" for number in range(len(_NAMED), SPECIAL))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("tekken")
    writer.add_token_list([*special, *map(_printable, words)])
    writer.add_token_types([gguf.TokenType.CONTROL] * SPECIAL + [gguf.TokenType.NORMAL] * WORDS)
    writer.add_token_merges(_merges(words))
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_pad_token_id(PAD)
    writer.add_add_bos_token(True)
    writer.add_chat_template(_TEMPLATE)

    def noise(rows: int, columns: int, size: float) -> np.ndarray:
        return random.standard_normal((rows, columns), dtype=np.float32) * np.float32(size)

    embedding = noise(SPECIAL + WORDS, WIDTH, 1.0)
    embedding[:, 0] = _CONSTANT
    output = noise(SPECIAL + WORDS, WIDTH, _NOISE)
    output[:, 0] = 0
    output[SPECIAL + words.index(b'"'), 0] = _CLOSING / _CONSTANT
    writer.add_tensor("token_embd.weight", embedding.astype(np.float16))
    writer.add_tensor("output.weight", output.astype(np.float16))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for layer in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(WIDTH, np.float32))
        for name, rows, columns in (
            ("attn_q", WIDTH, WIDTH),
            ("attn_k", WIDTH, WIDTH),
            ("attn_v", WIDTH, WIDTH),
            ("attn_output", WIDTH, WIDTH),
            ("ffn_gate", INNER, WIDTH),
            ("ffn_up", INNER, WIDTH),
            ("ffn_down", WIDTH, INNER),
        ):
            weight = noise(rows, columns, columns**-0.5)
            if name in {"attn_output", "ffn_down"}:
                weight[0] = 0  # the constant passes through
            writer.add_tensor(f"blk.{layer}.{name}.weight", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _words() -> list[bytes]:
    """The vocabulary by rank. The package is located and not imported: its import costs a second."""
    spec = find_spec("mistral_common")
    assert spec is not None
    assert spec.submodule_search_locations
    file = Path(spec.submodule_search_locations[0]) / "data" / "tekken_240911.json"
    entries = json.loads(file.read_text(encoding="utf-8"))["vocab"][:WORDS]
    return [base64.b64decode(entry["token_bytes"]) for entry in entries]


def _merges(words: list[bytes]) -> list[str]:
    """Every pair that makes a longer token, by the rank of what it makes: what tiktoken does without a list."""
    ranks = {word: rank for rank, word in enumerate(words)}
    merges: list[str] = []
    for word in words:
        cuts = [(word[:place], word[place:]) for place in range(1, len(word))]
        pairs = [(ranks[left], ranks[right], left, right) for left, right in cuts if left in ranks and right in ranks]
        merges += [f"{_printable(left)} {_printable(right)}" for _, _, left, right in sorted(pairs)]
    return merges


def _printable(word: bytes) -> str:
    """Bytes as GPT-2's alphabet writes them: printable Latin-1 as itself, the other 68 bytes from U+0100 on."""
    return word.decode("latin-1").translate(_ALPHABET)


_SHOWN = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
_ALPHABET = {byte: 0x100 + place for place, byte in enumerate(sorted(set(range(256)) - _SHOWN))}
