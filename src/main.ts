import module from 'node:module';

// Node 22.8 and newer then keep what they compiled, in the folder for temporary files, and the next start takes three
// quarters of the time and of the memory. Static imports would all be compiled before this line runs.
(module as { enableCompileCache?: () => void }).enableCompileCache?.();
await import('./run.ts');
