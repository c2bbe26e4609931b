// Titles for workspaces whose maker named none: an adjective and an animal, easy to say and to type.
import { randomInt } from "node:crypto";

const ADJECTIVES =
  "agile amber bold brave bright brisk calm clever cosy crisp eager early fair fleet fond gentle glad golden happy hardy humble jolly keen kind light lively lucky lunar mellow merry mild misty neat nimble noble patient plucky polite proud quick quiet rapid ready rosy rustic sandy sharp shy silent silver sleek smart snowy solar spry steady stout sunny swift tidy vivid warm wise witty young".split(
    " ",
  );
const ANIMALS =
  "badger beaver bee bison bobcat camel cat cheetah cobra condor crane crow deer dingo dolphin dove duck eagle falcon ferret finch fox gecko gibbon goat goose gull hare hawk heron hippo ibex iguana jackal jay kestrel kiwi koala lark lemur lion llama lynx magpie marmot marten mole moose newt ocelot orca osprey otter owl panda pelican puffin puma quail rabbit raven robin salmon seal shrew sparrow stork swan tapir tern tiger toad toucan trout turtle viper walrus weasel whale wolf wombat wren yak zebra".split(
    " ",
  );

const pick = (words: readonly string[]): string => words[randomInt(words.length)] as string;

/** Gives title after title that nobody has chosen yet; after a few that were all taken, with a number at the end. */
export function* suggestTitles(): Generator<string, never> {
  for (let tries = 0; ; tries++) {
    const name = `${pick(ADJECTIVES)}-${pick(ANIMALS)}`;
    yield tries < 5 ? name : `${name}-${randomInt(10, 10 ** Math.min(tries, 9))}`;
  }
}
