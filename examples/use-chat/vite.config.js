import { defineConfig } from "vite";

// The page and the service look like one origin, as they would behind a proxy.
const proxy = { "/api": process.env.CHATKEEP_URL ?? "http://localhost:8000" };

export default defineConfig({ server: { proxy }, preview: { proxy }, build: { target: "es2022" } });
