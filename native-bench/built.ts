/**
 * A module as it is shipped, out of `dist`: tsx makes what it loads from `src` up to twice as slow. The type parameter is
 * `typeof import('../src/...')` of the same module.
 */
export async function built<Module>(path: string): Promise<Module> {
  return (await import(new URL(`../dist/${path}.js`, import.meta.url).href)) as Module;
}
