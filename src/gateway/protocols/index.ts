/** The protocols of the gateway: each a closed table of routes, and a codec. */
export * from './oip/oip.ts';
export * from './openai/openai.ts';
export * from './grpc/grpc.ts';
export * from './plain.ts';
export * from './ports.ts';
export * from './sagemaker.ts';
export * from './torchserve.ts';
export * from './vertex.ts';
export * from './decode-task.ts';
