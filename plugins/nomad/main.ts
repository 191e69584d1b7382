import { serve } from "../lib";
import { nomadProvider } from "./provider";

serve(nomadProvider);
