// How the dashboard is built, served while developing, and tested.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const controllerUrl = process.env.VOICEGATEWAY_URL ?? "http://127.0.0.1:8580";

export default defineConfig({
  plugins: [react()],
  build: {
    // The controller serves this folder at `/`; it is git-ignored and packed into the wheel.
    outDir: "../../controller/voicegateway_controller/web",
    emptyOutDir: true,
    // Inlined data: URLs would need a wider Content-Security-Policy.
    assetsInlineLimit: 0,
    // Browsers that cannot preload a module load it a moment later; making them able to costs every other one more.
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": controllerUrl } },
  test: {
    restoreMocks: true,
    unstubGlobals: true,
    // Rules need no browser, and starting jsdom for each file takes longer than testing them.
    projects: [
      { extends: true, test: { name: "rules", environment: "node", include: ["src/**/*.test.ts"] } },
      {
        extends: true,
        test: {
          name: "page",
          environment: "jsdom",
          include: ["src/**/*.test.tsx"],
          setupFiles: ["src/testing/setup.ts"],
          // A page in jsdom takes seconds while the machine is busy with other tests.
          testTimeout: 30_000,
        },
      },
    ],
  },
});
