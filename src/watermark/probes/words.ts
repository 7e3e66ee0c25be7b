/** The words that text probes are made of: frequent, short, of one to two tokens in usual vocabularies. Their order is fixed. */

const TEXT = `
able acid aged air also area army away baby back bad bag ball band bank base bath bear beat bed bee bell best bird blue boat
body bone book born both bowl box boy bus busy cake call calm camp card care case cash cat cell city clay club coal coat cold
cook cool copy corn cost cow crew crop cup dark data date dawn day dead deal dear deep deer desk diet dish dog door down draw
dream drop dry duck dust duty each ear earth east easy edge egg empty end eye face fact fair fall farm fast fear feet field
film fire fish five flag flat floor flow food foot form four free frog fuel full game gate gift girl glad glass goat gold
good grass gray green grow guest half hall hand hard hat head heart heat help herb hero high hill home hope horse host hour
house ice idea iron jar job joke joy jump key kid kind king kiss knee lake lamp land lane last law lead leaf left leg lemon
less life lift light lion lip list log lonely long lost loud love luck lung mail main map mark meal meat milk mill mind moon
more moss mouse mouth mud nail name near neck nest net news nice night nose note nut oak oil old open
oven owl pack page pair palm pan park part past path peace pear pen pig pine pink pipe plan plate play plum pond pool post pot pull pure push queen quick quiet rain`;

/** 256 words. */
export const PROBE_WORDS: readonly string[] = TEXT.trim().split(/\s+/);
