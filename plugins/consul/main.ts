import { serve } from "../lib";
import { consulProvider } from "./provider";

serve(consulProvider);
