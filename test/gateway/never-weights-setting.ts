/** How the gateway of the walk is set up; another file of tests may say otherwise before it loads the walk. */
export const setting = { workers: 1 };
