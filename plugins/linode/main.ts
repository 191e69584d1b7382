import { serve } from "../lib";
import { linodeProvider } from "./provider";

serve(linodeProvider);
