import { serve } from "../lib";
import { randomProvider } from "./provider";

serve(randomProvider);
