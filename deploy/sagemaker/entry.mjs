// What SageMaker starts: "serve" is the one word that it says. The configuration comes with the model.
import { join } from 'node:path';

const [word = 'serve'] = process.argv.slice(2);
if (word !== 'serve') {
  process.stderr.write(`this container serves, it cannot ${word}\n`);
  process.exit(2);
}
const model = process.env.SM_MODEL_DIR ?? '/opt/ml/model';
process.argv.splice(2, process.argv.length, 'serve', '--platform', 'sagemaker', join(model, 'gateway.yaml'));
await import(process.env.MODELWARD_BIN ?? '/opt/modelward/bin/modelward.js');
