/** Who asks, before much of a body is read: memory and time are for those who are known. */
import { isFailure } from '../identity/index.ts';
import type { GatewayGreeter, GreetCode, Greeted, IdentifyResult } from '../ports.ts';
import type { GatewayParts } from './parts.ts';

/** The same judgement as of the request when it is whole, by its headers alone; failures count for the address. */
export function createGreeter({
  addresses,
  identifier,
}: Pick<GatewayParts, 'addresses' | 'identifier'>): GatewayGreeter {
  return (request) => {
    const { address } = request.peer;
    if (!addresses.look(address).isAdmitted) return 'GATEWAY_RATE_LIMITED';
    const judge = (result: IdentifyResult): GreetCode | Greeted => {
      if (result.isKnown) return result.principal;
      if (isFailure(result.code)) addresses.blame(address);
      return result.code;
    };
    const found = identifier.identify(request);
    return found instanceof Promise ? found.then(judge) : judge(found);
  };
}
