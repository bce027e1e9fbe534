"""Conversations as text: what transformers writes, and what a hostile template cannot do."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import transformers

from zoo.checkpoint import Files
from zoo.errors import CheckpointError, InputError
from zoo.text.chat import ChatTemplate, load_chat_template
from zoo.text.prompts import PromptPreprocessor
from zoo.text.tokenizer import load_tokenizer

# Written after the templates that the families' checkpoints have, with all that these make use of.
LLAMA_2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}"
    "{% set loop_messages = messages %}{% set system_message = false %}{% endif %}"
    "{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
LLAMA_3 = """\
{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{#- The system message, so that it can be put at the beginning. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}
        {{- message['content'] | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
QWEN_2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
QWEN_3 = """\
{%- if tools %}
    {%- for tool in tools %}{{- tool | tojson }}{%- endfor %}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string \
and not(message.content.startswith('<tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning_content = \
content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or reasoning_content) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') \
+ '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""
CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM<|im_end|>\n' }}"
    "{% endif %}{{'<|im_start|>' ~ message['role'] ~ '\n' ~ message['content'] ~ '<|im_end|>'}}"
    "{{ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TINY_LLAMA = """\
{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}
"""
# No checkpoint's: what else transformers lets a template do.
EVERYTHING = """\
{%- macro shown(message, sign='#') %}{{ sign }}{{ message | tojson(indent=2) }}{% endmacro %}
{%- set seen = namespace(roles=[], last=none) %}
{%- for message in messages if message.content %}
    {%- if message.role == 'tool' %}{% continue %}{% endif %}
    {%- set seen.roles = seen.roles + [message.role] %}
    {%- set seen.last = dict(role=message.role, at=loop.index) %}
  {% generation %}
{{ shown(message) ~ loop.revindex ~ loop.cycle('a', 'b') }}
  {% endgeneration %}
    {%- if loop.index > 7 %}{% break %}{% endif %}
{%- endfor %}
{{ seen.roles | join(', ') | upper }} {{ seen.last | items | list }} {{ '-' * 3 }} {{ 2 ** 5 }}
{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list }}
{{ ['%s of %d' % ('one', 2), '{} & {b}'.format('<', b='>'), ('x', 1), {'k': [none]}] | tojson }}
{% filter replace('a', 'A') %}{% for a, b in {'banana': 1}.items() %}{{ a }}{% endfor %}
{% endfilter %}
{% macro framed() %}[{{ caller() }}]{% endmacro %}
{% call framed() %}in{% endcall %}{{ unknown }}{{ bos_token }}{{ pad_token is defined }}
{{- messages[0].content | indent(2) | replace('\\n', ' / ') | truncate(30) }}
"""
TEMPLATES = {
    "llama-2": LLAMA_2,
    "llama-3": LLAMA_3,
    "qwen2": QWEN_2,
    "qwen3": QWEN_3,
    "chatml": CHATML,
    "tiny-llama": TINY_LLAMA,
    "everything": EVERYTHING,
}

SPECIALS = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|start_header_id|>"]
USER = {"role": "user", "content": " Wie heißt der Fluß? \n<b>&'\"{{ 天 }}</b>"}
ANSWER = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nDonau 🙂 "}
CHATS = {
    "one turn": [USER],
    "with a system": [{"role": "system", "content": "Be brief.\n"}, USER],
    "three turns": [USER, ANSWER, {"role": "user", "content": "And <|im_end|> then?"}],
    "system and turns": [{"role": "system", "content": "x"}, USER, ANSWER, USER, ANSWER, USER],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer that puts ``<s>`` before each text, as Llama's does, saved by transformers."""
    folder = tmp_path_factory.mktemp("tokenizer")
    trained = tokenizers.ByteLevelBPETokenizer()
    trained.train_from_iterator(
        ["a text"], vocab_size=280, show_progress=False, special_tokens=SPECIALS
    )
    backend = tokenizers.Tokenizer.from_str(trained.to_str())
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
    return folder


def files(folder: Path) -> Files:
    return Files({path.name: path for path in folder.iterdir()}, "test")


def template(text: str) -> ChatTemplate:
    return ChatTemplate(text, {"bos_token": "<s>", "eos_token": "</s>"}, "test")


@pytest.mark.parametrize("messages", CHATS.values(), ids=CHATS.keys())
@pytest.mark.parametrize("text", TEMPLATES.values(), ids=TEMPLATES.keys())
def test_text_and_tokens_are_those_of_transformers(
    folder: Path, text: str, messages: list[dict[str, str]]
) -> None:
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    theirs.chat_template = text
    preprocessor = PromptPreprocessor(load_tokenizer(files(folder)), 0, (1,), template(text))

    written, tokens = preprocessor.encode_chat(messages)

    options = {"add_generation_prompt": True, "return_dict": False}
    assert written == theirs.apply_chat_template(messages, tokenize=False, **options)
    assert tokens == theirs.apply_chat_template(messages, **options)
    assert tokens.count(0) == written.count("<s>"), "a beginning was added to the template's own"


def test_what_may_be_in_a_message_is_what_transformers_takes(folder: Path) -> None:
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    theirs.chat_template = (
        "{% for m in messages %}{{ m|tojson }}{{ m.name is defined }}{% endfor %}"
    )
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "é"}], "name": None},
        {"role": "tool", "content": "", "n": 1.5, "flags": [True, {"deep": None}]},
    ]

    written = template(theirs.chat_template).render(messages)

    assert written == theirs.apply_chat_template(messages, tokenize=False)


@pytest.mark.parametrize("layout", ["jinja", "config", "named"])
def test_the_template_is_found_in_each_layout(folder: Path, tmp_path: Path, layout: str) -> None:
    """Token contents are plain texts in new files, objects in old ones."""
    settings: dict[str, Any] = {"eos_token": {"__type": "AddedToken", "content": "</s>"}}
    if layout == "config":
        settings["chat_template"] = TINY_LLAMA
    elif layout == "named":
        settings["chat_template"] = [
            {"name": "tool_use", "template": "wrong"},
            {"name": "default", "template": TINY_LLAMA},
        ]
    else:
        settings["chat_template"] = "an older one"
        (tmp_path / "chat_template.jinja").write_text(TINY_LLAMA, encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    (tmp_path / "special_tokens_map.json").write_text('{"bos_token": "<s>"}')
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    theirs = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path)

    found = load_chat_template(files(tmp_path))

    assert found is not None
    assert found.tokens == {"bos_token": "<s>", "eos_token": "</s>"}
    assert found.render([USER]) == theirs.apply_chat_template(
        [USER], tokenize=False, add_generation_prompt=True
    )


@pytest.mark.parametrize(
    "settings", [{}, {"chat_template": None}, {"chat_template": [{"name": "rag", "template": "x"}]}]
)
def test_many_checkpoints_have_no_template(tmp_path: Path, settings: dict[str, Any]) -> None:
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))

    assert load_chat_template(files(tmp_path)) is None


def test_a_file_too_large_to_be_a_template_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "chat_template.jinja").open("wb") as file:
        file.truncate(300 * 2**20)  # zeros that no disk holds

    with pytest.raises(CheckpointError, match=r"chat_template.jinja is larger than 209,715,200"):
        load_chat_template(files(tmp_path))


def test_what_is_no_template_is_refused_when_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": 7}')
    with pytest.raises(CheckpointError, match="'chat_template' is 7; expected a text, or a list"):
        load_chat_template(files(tmp_path))

    (tmp_path / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(CheckpointError, match=r"chat_template\.jinja cannot be read as UTF-8"):
        load_chat_template(files(tmp_path))


def test_a_template_that_refuses_the_messages_says_so_itself() -> None:
    with pytest.raises(
        InputError, match=r"^the chat template refuses these messages: Conversa"
    ) as e:
        template(LLAMA_2).render([USER, USER])

    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], r"the messages are \[\]; expected a list such as"),
        ("Hello", "the messages are 'Hello'; expected a list such as"),
        (["Hello"], "a message is 'Hello'; expected a dict with role and content"),
        ([{"role": "user"}], r"a message is \{'role': 'user'\}; expected a dict with"),
        ([{"role": "user", "content": object()}], "a message holds what is no JSON"),
    ],
)
def test_what_is_no_conversation_is_refused(messages: list[dict[str, str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        template(CHATML).render(messages)


HOSTILE = {
    "a loop without end": "{% for i in range(10**9) %}x{% endfor %}",
    "loops in loops": "{% for i in range(99999) %}" * 2 + "{% endfor %}" * 2,
    "a meter set to rest": "{% macro _turn() %}{% endmacro %}{% set _turn = 1 %}"
    "{% for i in range(99999) %}" * 2 + "{% endfor %}" * 2,
    "a recursive loop": "{% for i in [[1]] recursive %}{{ loop([i]) }}{% endfor %}",
    "macros that call themselves": "{% macro f(n) %}{{ f(n-1) ~ f(n-1) if n }}{% endmacro %}"
    "{{ f(90) }}",
    "a text times a number": "{{ 'x' * 10**11 }}",
    "a number below nothing": "{{ 'x' * -(10**9) }}{% for i in range(99999) %}"
    "{% for i in range(99999) %}{% endfor %}{% endfor %}",
    "a list times a number": "{{ ([0] * 10**11)|length }}",
    "a number without end": "{{ 10**10**10 }}",
    "a number that grows": "{% set ns = namespace(x=9) %}"
    "{% for i in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "a text that doubles": "{% set ns = namespace(x='aa') %}"
    "{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "a list in lists": "{% set ns = namespace(x=[]) %}"
    "{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    "a dict in dicts": "{% set ns = namespace(x={}) %}"
    "{% for i in range(60) %}{% set ns.x = dict(a=ns.x, b=ns.x) %}{% endfor %}{{ ns.x }}",
    "a namespace in namespaces": "{% set ns = namespace(x=1) %}"
    "{% for i in range(60) %}{% set ns.x = namespace(a=ns.x, b=ns.x) %}{% endfor %}{{ ns.x }}",
    "a slow search": "{% set x = 'a' * 200000 %}"
    "{% for i in range(99999) %}{{ 'aaaaaaab' in x }}{% endfor %}",
    "a slow method": "{% set x = 'a' * 200000 %}"
    "{% for i in range(99999) %}{{ x.find('aaaaaaab') }}{% endfor %}",
    "a slow filter": "{% set x = [0] * 200000 %}{% for i in range(99999) %}{{ x|sum }}{% endfor %}",
    "a slow test": "{% set x = 'a' * 200000 %}"
    "{% for i in range(99999) %}{{ x is lower }}{{ 'aaaaaab' is in x }}{% endfor %}",
    "a wide format": "{{ '%1000000000d' % 1 }}",
    "a width among the arguments": "{{ '%*d' % (10**9, 1) }}",
    "a wide format method": "{{ '{:>1000000000}'.format(1) }}",
    "a width in a format": "{{ '{:{}}'.format(1, 10**9) }}",
    "a wide format filter": "{{ '%1000000000d'|format(1) }}",
    "a filled line": "{{ 'x'.ljust(10**10) }}",
    "a centred line": "{{ 'x'|center(10**10) }}",
    "an indent": "{{ messages|tojson(indent=10**9) }}",
    "a long separator": "{{ range(99999)|join('x' * 99999) }}",
    "a long separator method": "{{ ('x' * 99999).join(['a'] * 99999) }}",
    "a replacement that grows": "{{ ('x' * 99999).replace('x', 'x' * 99999) }}",
    "a replacement filter": "{{ ('x' * 99999)|replace('x', 'x' * 99999) }}",
    "a map of letters": "{{ ('x' * 99999).translate({120: 'x' * 99999}) }}",
    "bytes of a number": "{{ (1).to_bytes(10**10, 'big') }}",
    "words of no sense": "{{ lipsum(n=10**7) }}",
    "a block that is long": "{% set b %}{% for i in range(99999) %}{{ messages }}{% endfor %}"
    "{% endset %}",
    "the inside of a class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "the inside of a function": "{{ raise_exception.__globals__.keys() }}",
    "a dunder by a filter": "{{ ('' | attr('__class__')).mro() }}",
    "a namespace's class": "{% set ns = namespace(__class__=1) %}{{ ns }}",
    "a list that is changed": "{{ messages.append(1) }}",
    "another file": "{% include '/etc/passwd' %}",
    "what is not there": "{{ messages[0].name.first }}",
    "no Jinja": "{% for %}\n{{",
    "a filter that there is not": "{{ 1 | shell }}",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_template_ends_soon_in_one_line(text: str) -> None:
    start = time.process_time()

    with pytest.raises(
        CheckpointError, match=r"^test: the chat template (fails|is no Jinja): "
    ) as e:
        template(text).render([USER])

    assert time.process_time() - start < 20, "seconds; alone each takes a small part of one"
    assert "\n" not in str(e.value)
    assert len(str(e.value)) < 400


def test_what_a_template_raises_is_shown_on_one_short_line() -> None:
    with pytest.raises(InputError) as e:
        template("{{ raise_exception('a\nb\x1b[31m' + 'c' * 10000) }}").render([USER])

    assert "\n" not in str(e.value)
    assert len(str(e.value)) < 300


def test_a_long_conversation_has_room() -> None:
    messages = [USER, ANSWER] * 2000 + [USER, {"role": "user", "content": "long " * 100_000}]

    for text in (QWEN_2, QWEN_3, CHATML, TINY_LLAMA, LLAMA_3):
        assert len(template(text).render(messages)) > 600_000


def test_each_conversation_has_a_budget_of_its_own() -> None:
    repeating = template("{{ 'x' * 200000 }}")

    assert [len(repeating.render([USER])) for _ in range(4)] == [200_000] * 4
