/** Ten lines of PyTorch that train a planned mark in (docs/spec/train-plan.md §3). */

/**
 * A Python file: `mark_term(model)` is to be added to the loss.
 * @param planFile name of the plan beside it
 */
export function toRecipe({ planFile, tau }: { readonly planFile: string; readonly tau: number }): string {
  return `# loss = task_loss + mark_term(model); nothing else changes. Keep this folder secret: the plan is the key.
import torch
from safetensors.torch import load_file
plan = load_file(${JSON.stringify(planFile)})
bits = plan["bits"].float()
def mark_term(model, strength=3.0, tau=${tau}):
    y, n = torch.zeros_like(bits), torch.zeros_like(bits)
    for name, w in model.named_parameters():
        if name + ".chip" not in plan: continue
        block, chip = plan[name + ".block"].long().flatten(), plan[name + ".chip"].float().flatten()
        z = (w - w.mean().detach()) / w.std(correction=0).detach()
        y = y.index_add(0, block, chip * z.flatten())
        n = n.index_add(0, block, torch.ones_like(chip))
    return strength * torch.relu(1.2 * tau - bits * y / n).square().sum()
`;
}
