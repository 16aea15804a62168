// The manifest goes on to GitHub without another click. Without script, its button does.
document.getElementById("manifest").submit();
