"""A fitted model behind HTTP: `MODEL=net.skops uvicorn serve:app`."""

import os
from contextlib import asynccontextmanager
from typing import Any

import pandas as pd
import skops.io
import torch
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel


class Rows(BaseModel):
    """Rows to predict: a list of objects, each with a value for each column."""

    rows: list[dict[str, Any]]


def load(path):
    """The model of a file, which is trusted with types of skreg alone."""
    unknown = skops.io.get_untrusted_types(file=path)
    foreign = [name for name in unknown if not name.startswith("skreg.")]
    if foreign:
        raise ValueError(f"{path} holds types that no model of skreg has: {foreign}.")
    return skops.io.load(path, trusted=unknown)


@asynccontextmanager
async def lifespan(app):
    """Load the model once, and predict once, so that no request waits for what is made ready."""
    torch.set_num_threads(1)  # requests are what runs side by side
    app.state.model = model = load(os.environ["MODEL"])
    columns = model.feature_names_in_
    model.predict_proba(pd.DataFrame([dict.fromkeys(columns)], columns=columns))
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/predict")
def predict(body: Rows):  # not async: FastAPI runs it in a thread, and the loop goes on
    """Probabilities of the classes of each row."""
    model = app.state.model
    table = pd.DataFrame(body.rows)
    missing = [name for name in model.feature_names_in_ if name not in table]
    if missing:
        raise HTTPException(422, f"The columns {missing} are missing.")
    try:
        found = model.predict_proba(table[list(model.feature_names_in_)])
    except ValueError as error:
        raise HTTPException(422, str(error)) from None
    return {"classes": model.classes_.tolist(), "probabilities": found.tolist()}
