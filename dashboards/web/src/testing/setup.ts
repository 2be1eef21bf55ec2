// Before each test: a clean browser.
import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/react";
import { afterEach, beforeEach, vi } from "vitest";
import { beSignedIn } from "./fake_api";

// Waiting ends at once when what is waited for is there; on a busy machine a second may be too little.
configure({ asyncUtilTimeout: 10_000 });

// jsdom does not open dialogs; the browser test looks at a real one.
HTMLDialogElement.prototype.showModal = function showModal() {
  this.open = true;
};

beforeEach(() => {
  beSignedIn(false);
  history.replaceState(null, "", "/");
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
});
