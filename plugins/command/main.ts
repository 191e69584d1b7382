import { serve } from "../lib";
import { commandProvider } from "./provider";

serve(commandProvider);
