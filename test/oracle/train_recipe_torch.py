"""By hand, where PyTorch is installed (Debian: python3-torch): trains a small network with the printed recipe as it stands.

    train_recipe_torch.py start START.safetensors                  an untrained network; then: modelward mark plan START.safetensors
    train_recipe_torch.py train START.safetensors recipe.py X.npy Y.npy TEST-X.npy TEST-Y.npy MARKED.safetensors
                                                                   then: modelward detect MARKED.safetensors

X are bytes [samples, inputs], Y classes [samples]. Prints version, accuracy and the term that is left, for the twin without it, too.
"""
import runpy
import sys

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

EPOCHS, BATCH = 8, 64


def create(inputs=144, classes=10):
    torch.manual_seed(1)
    return nn.Sequential(
        *(nn.Linear(inputs, 256), nn.ReLU(), nn.Dropout(0.2)),
        *(nn.Linear(256, 192), nn.ReLU(), nn.Dropout(0.2), nn.Linear(192, classes)),
    )


def load(images, labels):
    return torch.from_numpy(np.load(images)).float() / 255, torch.from_numpy(np.load(labels)).long()


def train(start, term, x, y):
    net = create()
    net.load_state_dict(load_file(start))
    torch.manual_seed(7)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=3e-4)
    steps = len(x) // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * steps)
    for _ in range(EPOCHS):
        order = torch.randperm(len(x))
        for step in range(steps):
            batch = order[BATCH * step : BATCH * (step + 1)]
            loss = nn.functional.cross_entropy(net(x[batch]), y[batch]) + term(net)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


if sys.argv[1] == "start":
    save_file(create().state_dict(), sys.argv[2])
else:
    start, recipe, x, y, test_x, test_y, out = sys.argv[2:]
    mark_term = runpy.run_path(recipe)["mark_term"]
    (x, y), (test_x, test_y) = load(x, y), load(test_x, test_y)
    for name, term in (("twin", lambda net: 0), ("marked", mark_term)):
        net = train(start, term, x, y)
        with torch.no_grad():
            accuracy = (net(test_x).argmax(1) == test_y).double().mean().item()
        print(torch.__version__, name, f"accuracy {accuracy:.5f}", f"term {float(mark_term(net)):.6f}")
    save_file(net.state_dict(), out)
