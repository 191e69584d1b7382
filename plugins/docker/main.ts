import { serve } from "../lib";
import { dockerProvider } from "./provider";

serve(dockerProvider);
