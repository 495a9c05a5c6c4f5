"""Small random models with a small vocabulary, saved as folders like those on the Hub."""

import torch

LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = [*SPECIAL, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS), ".", "!", "*"]
SIZES = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
}


def saved(folder, kind: str, config: str, seed: int = 0, **options):
    """A random model of a transformers class and a WordPiece tokenizer in `folder`; the model."""
    import transformers

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    tokens = {token: row for row, token in enumerate(VOCABULARY)}
    tokenizer = transformers.BertTokenizerFast(vocab=tokens, model_max_length=512)
    tokenizer.save_pretrained(folder)
    model = getattr(transformers, kind)(getattr(transformers, config)(**SIZES, **options)).eval()
    model.save_pretrained(folder)
    return model


def bert(folder, seed=0):
    """A random two-layer BERT in `folder`; the model."""
    return saved(folder, "BertModel", "BertConfig", seed)


CHAT = (
    "{% for m in messages %}[CLS] {{ m['role'][0] }} ! {{ m['content'] }} [SEP] . {% endfor %}"
    "{% if add_generation_prompt %}[CLS] a ! {% endif %}"
)


def llama(folder, layers=3, template=CHAT, kind="LlamaForCausalLM", words=(), **sizes):
    """A random Llama and a tokenizer with a chat template, whose turns end with [SEP].

    `words` are known beside the vocabulary above.
    """
    import transformers

    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    tokens = {token: row for row, token in enumerate([*VOCABULARY, *words])}
    tokenizer = transformers.BertTokenizerFast(vocab=tokens)
    tokenizer.chat_template = template
    tokenizer.eos_token = "[SEP]"
    tokenizer.save_pretrained(folder)
    own = {"num_hidden_layers": layers, "vocab_size": len(tokens)}
    config = transformers.LlamaConfig(**(SIZES | own | sizes))
    model = getattr(transformers, kind)(config).eval()
    model.save_pretrained(folder)
    return model


def reward(folder, **sizes):
    """A random Llama with a reward head `score` of one output, as on the Hub."""
    kind = "LlamaForSequenceClassification"
    return llama(folder, kind=kind, **{"num_labels": 1, "initializer_range": 0.5} | sizes)
