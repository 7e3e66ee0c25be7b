/** The PyTorch lines that train a planned mark in (docs/spec/train-plan.md §3). */

/**
 * A Python file: `mark_term(model)` is to be added to the loss.
 * @param planFile name of the plan beside it
 */
export function toRecipe({ planFile, tau }: { readonly planFile: string; readonly tau: number }): string {
  return `# loss = task_loss + mark_term(model); nothing else changes. Keep this folder secret: the plan is the key.
import pathlib, torch
from safetensors.torch import load_file
plan = load_file(pathlib.Path(__file__).with_name(${JSON.stringify(planFile)}))
names = [key[:-5] for key in plan if key.endswith(".chip")]
def mark_term(model, strength=0.3, tau=${tau}):
    weights, y, n = dict(model.named_parameters()), 0, 0
    lost = [name for name in names if name not in weights or weights[name].shape != plan[name + ".chip"].shape]
    assert not lost, f"no parameters of these names in the planned shapes: {lost}"
    for name in names:
        w, keys = weights[name].float(), ("bits", name + ".block", name + ".chip")
        plan.update({key: plan[key].to(w.device) for key in keys})
        bits, block, chip = (plan[key].flatten() for key in keys)
        z = chip * ((w - w.mean().detach()) / w.std(correction=0).detach()).flatten()
        y = y + w.new_zeros(len(bits)).index_add(0, block.long(), z)
        n = n + block.bincount(minlength=len(bits))
    return strength * torch.relu(1.2 * tau - bits * y / n).square().sum()
`;
}
