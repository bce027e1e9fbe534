"""``zoo tokens NAME TEXT``: how a model cuts a text into tokens."""

from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def tokens(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model's name, or ./folder.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is cut.")],
) -> None:
    """Print each token of a text and its number, as a model's own tokenizer gives them."""
    import zoo
    from zoo.errors import TaskError

    tokenizer = getattr(zoo.load(name, device="cpu").preprocessor, "tokenizer", None)
    if tokenizer is None:
        raise TaskError(f"{name} has no tokenizer; expected a model that reads texts")
    encoding = tokenizer.backend.encode(text)
    for number, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        typer.echo(f"{number:>6}  {text[start:end] or tokenizer.backend.id_to_token(number)}")
