// Before each test: a clean tab.
import "@testing-library/jest-dom/vitest";
import { cleanup, configure } from "@testing-library/react";
import { afterEach, beforeEach, vi } from "vitest";

// Waiting ends at once when what is waited for is there; on a busy machine a second may be too little.
configure({ asyncUtilTimeout: 10_000 });

// jsdom does not open dialogs; the browser test looks at a real one.
HTMLDialogElement.prototype.showModal = function showModal() {
  this.open = true;
};

beforeEach(() => {
  sessionStorage.clear();
  history.replaceState(null, "", "/");
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
});
