/** The PyTorch lines that train a planned mark in (docs/spec/train-plan.md §3). */

export interface RecipeOptions {
  /** Name of the plan beside it; null for one in npy files. */
  readonly planFile: string | null;
  readonly tau: number;
}

/** A Python file: `mark_term(model)` is to be added to the loss. */
export function toRecipe({ planFile, tau }: RecipeOptions): string {
  return `# loss = task_loss + mark_term(model); nothing else changes. Keep this folder secret: the plan is the key.
${planFile === null ? READ_ARRAYS : toReadFile(planFile)}
def mark_term(model, strength=0.3, tau=${tau}):
    weights, y, n = dict(model.named_parameters()), 0, 0
    lost = [name for name in names if name not in weights or weights[name].shape != plan[name + ".chip"].shape]
    assert not lost, f"no parameters of these names in the planned shapes: {lost}"
    for name in names:
        w, keys = weights[name].float(), ("bits", name + ".block", name + ".chip")
        plan.update({key: plan[key].to(w.device) for key in keys})
        bits, block, chip = (plan[key].flatten() for key in keys)
        z = chip * ((w - w.mean().detach()) / w.std(unbiased=False).detach()).flatten()
        y = y + w.new_zeros(len(bits)).index_add(0, block.long(), z)
        n = n + block.bincount(minlength=len(bits))
    return strength * torch.relu(1.2 * tau - bits * y / n).square().sum()
`;
}

const toReadFile = (planFile: string): string => `import pathlib, torch
from safetensors.torch import load_file
plan = load_file(pathlib.Path(__file__).with_name(${JSON.stringify(planFile)}))
names = [key[:-5] for key in plan if key.endswith(".chip")]`;

const READ_ARRAYS = `import json, numpy, pathlib, torch
load = lambda file: torch.from_numpy(numpy.load(pathlib.Path(__file__).with_name(file)))
names = json.loads(pathlib.Path(__file__).with_name("names.json").read_text("utf8"))
plan = {f"{name}.{part}": load(f"{i}.{part}.npy") for i, name in enumerate(names) for part in ("block", "chip")}
plan["bits"] = load("bits.npy")`;
